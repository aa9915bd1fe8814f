//! mail-auth (Stalwart Labs) with every answer in its caches.  VARIANT is "expiring", or nothing. Cold, it asks by its
//! own resolver (hickory, with hickory's cache) and fills the "expiring" caches.
//!
//! The crate ships no cache, only the trait for one.  By default it gets the cheapest that can be written: a fast hash,
//! no lock, no clock.  "expiring" gives it what its documentation shows: a locked std HashMap with an expiry check.
use mail_auth::dns::TxtRecordParser;
use mail_auth::hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use mail_auth::hickory_resolver::proto::op::ResponseCode;
use mail_auth::spf::{verify::SpfParameters, SpfRecord};
use mail_auth::{
    DnsCache, DnsError, DnssecStatus, Error, MessageAuthenticator, Mx, Negative, Parameters, RecordSet, ResolverCache,
    SpfResult, TxtRecord,
};
use rust_peers::{locked_version, Connection, Job, Resource};
use std::borrow::Borrow;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

enum Table<K, V> {
    Plain(RefCell<hashbrown::HashMap<K, V>>),
    Expiring(Mutex<HashMap<K, (V, Instant)>>),
}

/// If all is known, what is not in the table is known too: to be unknown. So the resolver is never asked.
struct Cache<K, V> {
    table: Table<K, V>,
    unknown: Option<V>,
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    fn new(expiring: bool, unknown: Option<V>) -> Self {
        let table = if expiring { Table::Expiring(Mutex::default()) } else { Table::Plain(RefCell::default()) };
        Cache { table, unknown }
    }
}

impl<K: Hash + Eq, V: Clone> ResolverCache<K, V> for Cache<K, V> {
    fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let found = match &self.table {
            Table::Plain(map) => map.borrow().get(key).cloned(),
            Table::Expiring(map) => {
                let map = map.lock().unwrap();
                map.get(key).filter(|(_, until)| *until > Instant::now()).map(|(value, _)| value.clone())
            }
        };
        found.or_else(|| self.unknown.clone())
    }

    fn remove<Q: Hash + Eq + ?Sized>(&self, _: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        None
    }

    fn insert(&self, key: K, value: V, until: Instant) {
        match &self.table {
            Table::Plain(map) => drop(map.borrow_mut().insert(key, value)),
            Table::Expiring(map) => drop(map.lock().unwrap().insert(key, (value, until))),
        }
    }
}

type Answer<T> = Result<RecordSet<T>, Negative>;

struct Caches {
    txt: Cache<Box<str>, TxtRecord>,
    mx: Cache<Box<str>, Answer<Mx>>,
    a: Cache<Box<str>, Answer<Ipv4Addr>>,
    aaaa: Cache<Box<str>, Answer<Ipv6Addr>>,
    ptr: Cache<IpAddr, Answer<Box<str>>>,
}

impl DnsCache for Caches {
    type Txt = Cache<Box<str>, TxtRecord>;
    type Mx = Cache<Box<str>, Answer<Mx>>;
    type Ipv4 = Cache<Box<str>, Answer<Ipv4Addr>>;
    type Ipv6 = Cache<Box<str>, Answer<Ipv6Addr>>;
    type Ptr = Cache<IpAddr, Answer<Box<str>>>;

    fn txt(&self) -> Option<&Self::Txt> {
        Some(&self.txt)
    }
    fn mx(&self) -> Option<&Self::Mx> {
        Some(&self.mx)
    }
    fn ipv4(&self) -> Option<&Self::Ipv4> {
        Some(&self.a)
    }
    fn ipv6(&self) -> Option<&Self::Ipv6> {
        Some(&self.aaaa)
    }
    fn ptr(&self) -> Option<&Self::Ptr> {
        Some(&self.ptr)
    }
}

fn set<T>(records: Vec<T>) -> RecordSet<T> {
    RecordSet { records: records.into(), dnssec_status: DnssecStatus::Indeterminate }
}

fn addresses<T: FromStr>(values: &[&Resource]) -> Answer<T> {
    Ok(set(values.iter().map(|r| r.value.parse().ok().expect("address")).collect()))
}

fn exchanges(values: &[&Resource]) -> Answer<Mx> {
    let mut list: Vec<(u16, &str)> = values.iter().map(|r| r.mx()).collect();
    list.sort_unstable();
    let mx = |(preference, host): (u16, &str)| Mx { exchanges: Box::new([host.into()]), preference };
    Ok(set(list.into_iter().map(mx).collect()))
}

/// Caches that say of what they do not hold that it does not exist, or (cold) nothing.
fn empty(expiring: bool, all_known: bool) -> Caches {
    let no_name = || Negative { code: ResponseCode::NXDomain };
    let no_record = TxtRecord::Error(Error::Dns(DnsError::RecordNotFound(ResponseCode::NXDomain)));
    Caches {
        txt: Cache::new(expiring, all_known.then_some(no_record)),
        mx: Cache::new(expiring, all_known.then(|| Err(no_name()))),
        a: Cache::new(expiring, all_known.then(|| Err(no_name()))),
        aaaa: Cache::new(expiring, all_known.then(|| Err(no_name()))),
        ptr: Cache::new(expiring, all_known.then(|| Err(no_name()))),
    }
}

fn fill(zone: &[Resource], expiring: bool) -> Caches {
    let caches = empty(expiring, true);
    let mut rrsets: BTreeMap<(&str, &str), Vec<&Resource>> = BTreeMap::new();
    for resource in zone {
        rrsets.entry((&resource.name, &resource.kind)).or_default().push(resource);
    }
    let until = Instant::now() + Duration::from_secs(86_400);
    for ((name, kind), values) in rrsets {
        let key = format!("{name}.").into_boxed_str();
        match kind {
            // Parsed, as the crate's own look-up leaves it.
            "TXT" => {
                let records: Vec<Vec<u8>> = values.iter().map(|r| r.value.clone().into_bytes()).collect();
                caches.txt.insert(key, SpfRecord::parse_records(&records).into(), until);
            }
            "MX" => caches.mx.insert(key, exchanges(&values), until),
            "A" => caches.a.insert(key, addresses(&values), until),
            "AAAA" => caches.aaaa.insert(key, addresses(&values), until),
            _ => panic!("no rule for type {kind}"),
        }
    }
    caches
}

/// The constructor wants a name server, even if all is known: then the discard port, where nothing answers should a
/// question slip out.
fn authenticator(port: Option<u16>) -> MessageAuthenticator {
    let at = |mut connection: ConnectionConfig| {
        connection.port = port.unwrap_or(9);
        connection
    };
    let connections = vec![at(ConnectionConfig::udp()), at(ConnectionConfig::tcp())];
    let server = NameServerConfig::new(IpAddr::V4(Ipv4Addr::LOCALHOST), true, connections);
    let mut options = ResolverOpts::default();
    options.use_hosts_file = ResolveHosts::Never;
    options.max_active_requests = 4096;
    options.cache_size = 1 << 20; // answers, so that none has to go
    MessageAuthenticator::new(ResolverConfig::from_name_servers(vec![server]), options).expect("resolver")
}

fn word(result: SpfResult) -> &'static str {
    match result {
        SpfResult::Pass => "pass",
        SpfResult::Fail => "fail",
        SpfResult::SoftFail => "softfail",
        SpfResult::Neutral => "neutral",
        SpfResult::TempError => "temperror",
        SpfResult::PermError => "permerror",
        SpfResult::None => "none",
    }
}

fn main() {
    let job = Job::from_args();
    let expiring = job.variant.as_deref() == Some("expiring");
    let peer = if expiring { "mail-auth-expiring" } else { "mail-auth" };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    runtime.block_on(async {
        let port = job.cold.as_ref().map(|cold| cold.port);
        let authenticator = authenticator(port);
        let caches = if port.is_some() { empty(true, false) } else { fill(&job.zone(), expiring) };
        let check = async |c: &Connection| {
            let sender = SpfParameters::mail_from(c.ip, &c.helo, "receiver.example", &c.mail_from);
            word(authenticator.check_host(Parameters::new(sender).with_cache(&caches)).await.result())
        };
        if port.is_some() {
            job.run_cold(peer, locked_version("mail-auth"), check).await;
        } else {
            job.run(peer, locked_version("mail-auth"), check).await;
        }
    });
}
