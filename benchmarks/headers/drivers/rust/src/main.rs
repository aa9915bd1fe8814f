//! mail-parser: `headers_mail_parser FOLDER ANSWERS PASSES [lean]`, as every driver here (see drivers/__init__.py).
//!
//! By default the four fields of RFC 4407 are read as addresses wherever they stand, all others are left raw.
//! `lean` is as little work as the crate allows: all other fields are ignored, and buffers are used again.
use mail_parser::{Address, Header, HeaderForm, HeaderName, Headers, Message, MessageBuffers, MessageParser};
use rustix::time::{clock_gettime, ClockId};
use std::{env, fmt::Write, fs, hint::black_box, path::Path, time::Instant};

/// What the crate would parse further than we need it.
const OTHERS: [&str; 33] = [
    "To", "Cc", "Bcc", "Reply-To", "Resent-To", "Resent-Cc", "Resent-Bcc", "Resent-Date", "Resent-Message-ID", "Date",
    "Subject", "Comments", "Keywords", "Message-ID", "In-Reply-To", "References", "Received", "Return-Path",
    "MIME-Version", "Content-ID", "Content-Description", "Content-Location", "Content-Language", "List-Archive",
    "List-Help", "List-ID", "List-Owner", "List-Post", "List-Subscribe", "List-Unsubscribe", "Content-Type",
    "Content-Disposition", "Content-Transfer-Encoding",
];

/// Known to the crate and raw by default, but frequent.
const RAW_OTHERS: [&str; 10] = [
    "DKIM-Signature", "ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal", "Authentication-Results",
    "Auto-Submitted", "Received-SPF", "Delivered-To", "Accept-Language", "Archived-At",
];

fn parser(lean: bool) -> MessageParser {
    let form = if lean { HeaderForm::Ignore } else { HeaderForm::Raw };
    let names = OTHERS.iter().chain(if lean { &RAW_OTHERS[..] } else { &[] });
    names.fold(MessageParser::new().unknown_headers(form), |parser, name| parser.header(*name, form))
}

fn is_filled(header: &Header<'_>) -> bool {
    !header.raw_value().iter().all(|c| b" \t\r\n".contains(c))
}

/// The first filled field of the name, and whether it is the only one.
fn first<'m>(headers: &Headers<'m>, name: HeaderName<'static>) -> Option<(Header<'m>, bool)> {
    let mut found = headers.all(name).filter(is_filled);
    found.next().map(|header| (header, found.next().is_none()))
}

/// The field that RFC 4407 2 selects, and its name.  Most messages have no resent block and need few steps.
fn select<'m>(message: &'m Message<'_>) -> Option<(&'static str, Header<'m>)> {
    let headers = message.headers();
    let resent_from = first(&headers, HeaderName::ResentFrom).map(|(header, _)| header);
    if let Some((sender, _)) = first(&headers, HeaderName::ResentSender) {
        // Step 1: it must not stand below a Resent-From with a trace field between them.
        let between = |from: &Header<'_>, trace: Header<'_>| {
            (from.offset_field()..sender.offset_field()).contains(&trace.offset_field())
        };
        let older = resent_from.as_ref().is_some_and(|from| {
            [HeaderName::Received, HeaderName::ReturnPath]
                .into_iter()
                .any(|name| headers.all(name).any(|trace| between(from, trace)))
        });
        if !older {
            return Some(("resent-sender", sender));
        }
    }
    if let Some(header) = resent_from {
        return Some(("resent-from", header));
    }
    let (name, found) = match first(&headers, HeaderName::Sender) {
        Some(found) => ("sender", found),
        None => ("from", first(&headers, HeaderName::From)?),
    };
    found.1.then_some((name, found.0))
}

/// Step 5: the one mailbox with a domain.
fn mailbox<'m>(header: Header<'m>) -> Option<&'m str> {
    let list = header.value().as_address()?;
    let mut items = list.iter();
    let (Some(Address::Mailbox(only)), None) = (items.next(), items.next()) else { return None };
    let address = only.address()?;
    let (_, domain) = address.rsplit_once('@')?;
    (!domain.is_empty() && !domain.starts_with('[')).then_some(address)
}

fn pra<'m>(message: &'m Message<'_>) -> (Option<&'static str>, Option<&'m str>) {
    match select(message) {
        Some((name, header)) => (Some(name), mailbox(header)),
        None => (None, None),
    }
}

/// Calls `found` with what each section gives.
fn one_pass(
    sections: &[&[u8]],
    parser: &MessageParser,
    buffers: Option<&mut MessageBuffers>,
    mut found: impl FnMut(Option<&'static str>, Option<&str>),
) {
    let mut tell = |message: Option<&Message<'_>>| {
        let (name, address) = message.map_or((None, None), pra);
        found(name, address);
    };
    let Some(buffers) = buffers else {
        return sections.iter().for_each(|section| tell(parser.parse_headers(*section).as_ref()));
    };
    for section in sections {
        let message = parser.parse_with(*section, buffers);
        tell(message.as_ref());
        if let Some(message) = message {
            *buffers = message.into_buffers();
        }
    }
}

fn split(octets: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut sections) = (octets, Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (section, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        sections.push(section);
        rest = after;
    }
    sections
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let [_, folder, answers, passes, variant @ ..] = &arguments[..] else { panic!("FOLDER ANSWERS PASSES [lean]") };
    let octets = fs::read(Path::new(folder).join("sections.bin")).expect("sections.bin");
    let sections = split(&octets);
    let lean = variant.first().is_some_and(|word| word == "lean");
    let parser = parser(lean);
    let mut buffers = lean.then(MessageBuffers::default);

    let mut lines = String::new();
    one_pass(&sections, &parser, buffers.as_mut(), |name, address| {
        write!(lines, "{} ", name.unwrap_or("-")).unwrap();
        match address {
            Some(text) => text.bytes().for_each(|c| write!(lines, "{c:02x}").unwrap()),
            None => lines.push('-'),
        }
        lines.push('\n');
    });
    fs::write(answers, lines).expect("ANSWERS");

    let (mut cpu, mut wall) = (Vec::new(), Vec::new());
    for _ in 0..passes.parse().expect("PASSES") {
        let (wall_start, cpu_start) = (Instant::now(), cpu_seconds());
        one_pass(&sections, &parser, buffers.as_mut(), |name, address| {
            black_box((name, address));
        });
        cpu.push(cpu_seconds() - cpu_start);
        wall.push(wall_start.elapsed().as_secs_f64());
    }
    // A list of floats prints in Rust as it does in JSON.
    println!(
        r#"{{"peer":"mail-parser","version":"{}","checks":{},"cpu_seconds":{cpu:?},"wall_seconds":{wall:?},"rss_kib":{}}}"#,
        locked_version("mail-parser"),
        sections.len(),
        peak_rss_kib()
    );
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
fn locked_version(name: &str) -> String {
    let lock = include_str!("../Cargo.lock");
    let after = lock.split_once(&format!("name = \"{name}\"\nversion = \"")).expect("crate in Cargo.lock").1;
    after.split('"').next().expect("version").to_owned()
}
