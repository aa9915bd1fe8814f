'use strict';
// mailauth (Node.js) by its spf() with its `resolver` option: answers known from a Map, or cold from the resolver of
// Node.js itself, c-ares.
//
// node --expose-gc mailauth.js DATA VERDICTS PASSES | mailauth.js DATA VERDICTS cold PORT TASKS CHECKS: as every driver
// here (see drivers/__init__.py).
const dns = require('node:dns');
const fs = require('node:fs');
const path = require('node:path');

// Installed into the folder that NODE_PATH names, not beside this file.
const { spf } = require('mailauth/lib/spf');
const manifest = require.resolve('mailauth').replace(/(node_modules.mailauth).*/, '$1/package.json');
const { version } = JSON.parse(fs.readFileSync(manifest, 'utf8'));

const [data, verdicts, mode, port, tasks, checks] = process.argv.slice(2);
const rows = (file) => fs.readFileSync(path.join(data, file), 'utf8').trimEnd().split('\n').map((line) => line.split('\t'));

/** What a look-up of Node.js resolves to, or how it fails, for every name and type of the zone. */
function knownAnswers() {
    const answers = new Map();
    const names = new Set();
    for (const [name, type, value] of rows('zone.tsv')) {
        const key = `${name} ${type}`;
        if (!answers.has(key)) answers.set(key, []);
        let answer = value;
        if (type === 'TXT') answer = value.match(/.{1,255}/g);
        if (type === 'MX') {
            const [priority, exchange] = value.split(' ');
            answer = { priority: Number(priority), exchange };
        }
        answers.get(key).push(answer);
        names.add(name);
    }
    return async (name, type) => {
        const answer = answers.get(`${name.toLowerCase()} ${type}`);
        if (answer) return answer;
        const code = names.has(name.toLowerCase()) ? 'ENODATA' : 'ENOTFOUND';
        throw Object.assign(new Error(`${code} ${name}`), { code });
    };
}

function nodeResolver() {
    const resolver = new dns.promises.Resolver({ timeout: 2000, tries: 3 });
    resolver.setServers([`127.0.0.1:${port}`]);
    return (name, type) => resolver.resolve(name, type);
}

function peakRssKib() {
    return Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]);
}

function freeWhatLoadingTook() {
    if (global.gc) global.gc();
    fs.writeFileSync('/proc/self/clear_refs', '5');
}

async function main() {
    const cold = mode === 'cold';
    const resolver = cold ? nodeResolver() : knownAnswers();
    let connections = rows('connections.tsv');
    if (cold) connections = connections.slice(0, Number(checks));
    const check = async ([ip, helo, sender]) =>
        (await spf({ ip, helo, sender, mta: 'receiver.example', resolver })).status.result;
    const words = new Array(connections.length);
    const onePass = async (workers) => {
        let next = 0;
        const work = async () => {
            while (next < connections.length) {
                const row = next++;
                words[row] = await check(connections[row]);
            }
        };
        await Promise.all(Array.from({ length: workers }, work));
    };
    const write = () => fs.writeFileSync(verdicts, words.map((word) => `${word}\n`).join(''));

    if (!cold) {
        await onePass(1);
        write();
    }
    freeWhatLoadingTook();
    const cpu = [];
    const wall = [];
    for (let pass = 0; pass < (cold ? 1 : Number(mode)); pass++) {
        const [wallStart, cpuStart] = [process.hrtime.bigint(), process.cpuUsage()];
        await onePass(cold ? Number(tasks) : 1);
        const used = process.cpuUsage(cpuStart);
        cpu.push((used.user + used.system) / 1e6);
        wall.push(Number(process.hrtime.bigint() - wallStart) / 1e9);
    }
    if (cold) write();
    console.log(
        JSON.stringify({
            peer: 'mailauth',
            version,
            checks: connections.length,
            cpu_seconds: cpu,
            wall_seconds: wall,
            rss_kib: peakRssKib()
        })
    );
}

main().catch((error) => {
    console.error(error);
    process.exitCode = 1;
});
