//! What both drivers share: the command line, the data, the clock and the report.
//!
//! Every peer's driver is called as `driver DATA VERDICTS PASSES [VARIANT]`: it reads DATA/zone.tsv and
//! DATA/connections.tsv, writes one word a connection to VERDICTS in an untimed pass, and times PASSES more. Or as
//! `driver DATA VERDICTS cold PORT TASKS CHECKS`: see drivers/__init__.py.
use rustix::time::{clock_gettime, ClockId};
use std::cell::{Cell, RefCell};
use std::{env, fs, hint::black_box, net::IpAddr, path::PathBuf, time::Instant};

pub struct Connection {
    pub ip: IpAddr,
    pub helo: String,
    pub mail_from: String,
}

/// One line of the zone.  A TXT value is the whole record, its strings already joined.
pub struct Resource {
    pub name: String,
    pub kind: String,
    pub value: String,
}

impl Resource {
    /// An MX value is "preference host", as in a master file but without the last dot.
    pub fn mx(&self) -> (u16, &str) {
        let (preference, host) = self.value.split_once(' ').expect("MX value");
        (preference.parse().expect("MX preference"), host)
    }
}

pub struct Cold {
    pub port: u16,
    tasks: usize,
    checks: usize,
}

pub struct Job {
    data: PathBuf,
    verdicts: PathBuf,
    passes: usize,
    pub cold: Option<Cold>,
    pub variant: Option<String>,
}

impl Job {
    pub fn from_args() -> Job {
        let mut args = env::args().skip(1);
        let mut next = |what| args.next().unwrap_or_else(|| panic!("missing argument: {what}"));
        let (data, verdicts) = (next("DATA").into(), next("VERDICTS").into());
        let mode = next("PASSES");
        let mut number = |what| next(what).parse::<usize>().expect(what);
        let cold = (mode == "cold").then(|| Cold {
            port: number("PORT") as u16,
            tasks: number("TASKS"),
            checks: number("CHECKS"),
        });
        let passes = if cold.is_some() { 1 } else { mode.parse().expect("PASSES") };
        Job { data, verdicts, passes, cold, variant: args.next() }
    }

    fn rows(&self, file: &str) -> Vec<[String; 3]> {
        let text = fs::read_to_string(self.data.join(file)).expect(file);
        let row = |line: &str| {
            let mut fields = line.split('\t').map(str::to_owned);
            std::array::from_fn(|_| fields.next().expect("three fields"))
        };
        text.lines().map(row).collect()
    }

    pub fn zone(&self) -> Vec<Resource> {
        self.rows("zone.tsv").into_iter().map(|[name, kind, value]| Resource { name, kind, value }).collect()
    }

    fn connections(&self) -> Vec<Connection> {
        let parse = |[ip, helo, mail_from]: [String; 3]| Connection { ip: ip.parse().expect("ip"), helo, mail_from };
        self.rows("connections.tsv").into_iter().map(parse).collect()
    }

    /// All answers known, one check after the other. `check` gives one of the seven words of RFC 7208 2.6.
    pub async fn run(self, peer: &str, version: String, check: impl AsyncFn(&Connection) -> &'static str) {
        let connections = self.connections();
        let mut words = String::new();
        for connection in &connections {
            words += check(connection).await;
            words.push('\n');
        }
        fs::write(&self.verdicts, words).expect("VERDICTS");
        free_what_loading_took();
        let (mut cpu, mut wall) = (Vec::new(), Vec::new());
        for _ in 0..self.passes {
            let (wall_start, cpu_start) = (Instant::now(), cpu_seconds());
            for connection in &connections {
                black_box(check(connection).await);
            }
            cpu.push(cpu_seconds() - cpu_start);
            wall.push(wall_start.elapsed().as_secs_f64());
        }
        report(peer, &version, connections.len(), &cpu, &wall);
    }

    /// Every connection once, so many at a time on one thread.
    pub async fn run_cold(self, peer: &str, version: String, check: impl AsyncFn(&Connection) -> &'static str) {
        let mut connections = self.connections();
        let cold = self.cold.expect("cold");
        connections.truncate(cold.checks);
        let (next, words) = (Cell::new(0), RefCell::new(vec![""; connections.len()]));
        let work = async || {
            while let Some(connection) = connections.get(next.get()) {
                let row = next.replace(next.get() + 1);
                let word = check(connection).await;
                words.borrow_mut()[row] = word;
            }
        };
        free_what_loading_took();
        let (wall_start, cpu_start) = (Instant::now(), cpu_seconds());
        futures_util::future::join_all((0..cold.tasks).map(|_| work())).await;
        let (cpu, wall) = (cpu_seconds() - cpu_start, wall_start.elapsed().as_secs_f64());
        fs::write(&self.verdicts, words.borrow().join("\n") + "\n").expect("VERDICTS");
        report(peer, &version, connections.len(), &[cpu], &[wall]);
    }
}

fn report(peer: &str, version: &str, checks: usize, cpu: &[f64], wall: &[f64]) {
    // A list of floats prints in Rust as it does in JSON.
    println!(
        r#"{{"peer":"{peer}","version":"{version}","checks":{checks},"cpu_seconds":{cpu:?},"wall_seconds":{wall:?},"rss_kib":{}}}"#,
        peak_rss_kib()
    );
}

extern "C" {
    fn malloc_trim(pad: usize) -> i32; // glibc's
}

/// What only loading needed goes back, and the peak is counted from here.
fn free_what_loading_took() {
    // SAFETY: glibc's malloc_trim may be called at any time.
    unsafe { malloc_trim(0) };
    fs::write("/proc/self/clear_refs", "5").expect("/proc/self/clear_refs");
}

fn cpu_seconds() -> f64 {
    let t = clock_gettime(ClockId::ProcessCPUTime);
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}

fn peak_rss_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.split_whitespace().next().and_then(|n| n.parse().ok()).expect("VmHWM")
}

/// The version that was built in, as Cargo.lock has it.
pub fn locked_version(name: &str) -> String {
    let lock = include_str!("../Cargo.lock");
    let after = lock.split_once(&format!("name = \"{name}\"\nversion = \"")).expect("crate in Cargo.lock").1;
    after.split('"').next().expect("version").to_owned()
}
