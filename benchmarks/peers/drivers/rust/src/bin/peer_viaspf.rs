//! viaspf with every answer in a table behind its Lookup trait, whose methods return owned lists: so each is cloned.
use async_trait::async_trait;
use rust_peers::{locked_version, Connection, Job, Resource};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use viaspf::lookup::{Lookup, LookupError, LookupResult, Name};
use viaspf::{evaluate_sender, Config, DomainName, Sender, SpfResult};

#[derive(Default)]
struct Answers {
    txt: HashMap<String, Vec<String>>,
    mx: HashMap<String, Vec<(u16, Name)>>,
    a: HashMap<String, Vec<Ipv4Addr>>,
    aaaa: HashMap<String, Vec<Ipv6Addr>>,
}

impl Answers {
    fn new(zone: &[Resource]) -> Answers {
        let mut answers = Answers::default();
        for resource in zone {
            let key = format!("{}.", resource.name);
            let value = &resource.value;
            match resource.kind.as_str() {
                "TXT" => answers.txt.entry(key).or_default().push(value.clone()),
                "A" => answers.a.entry(key).or_default().push(value.parse().expect("A")),
                "AAAA" => answers.aaaa.entry(key).or_default().push(value.parse().expect("AAAA")),
                "MX" => {
                    let (preference, host) = resource.mx();
                    answers.mx.entry(key).or_default().push((preference, Name::new(host).expect("MX host")));
                }
                kind => panic!("no rule for type {kind}"),
            }
        }
        answers.mx.values_mut().for_each(|list| list.sort_by_key(|(preference, _)| *preference));
        answers
    }
}

/// The names of the run are in lower case already, so they are looked up as they come.
fn find<'a, T>(table: &'a HashMap<String, Vec<T>>, name: &Name) -> LookupResult<&'a Vec<T>> {
    table.get(name.as_str()).ok_or(LookupError::NoRecords)
}

#[async_trait]
impl Lookup for Answers {
    async fn lookup_a<'l, 'a>(&'l self, name: &'a Name) -> LookupResult<Vec<Ipv4Addr>> {
        find(&self.a, name).cloned()
    }
    async fn lookup_aaaa<'l, 'a>(&'l self, name: &'a Name) -> LookupResult<Vec<Ipv6Addr>> {
        find(&self.aaaa, name).cloned()
    }
    async fn lookup_mx<'l, 'a>(&'l self, name: &'a Name) -> LookupResult<Vec<Name>> {
        Ok(find(&self.mx, name)?.iter().map(|(_, host)| host.clone()).collect())
    }
    async fn lookup_txt<'l, 'a>(&'l self, name: &'a Name) -> LookupResult<Vec<String>> {
        find(&self.txt, name).cloned()
    }
    async fn lookup_ptr<'l>(&'l self, _: IpAddr) -> LookupResult<Vec<Name>> {
        Err(LookupError::NoRecords)
    }
}

fn word(result: SpfResult) -> &'static str {
    match result {
        SpfResult::Pass => "pass",
        SpfResult::Fail(_) => "fail",
        SpfResult::Softfail => "softfail",
        SpfResult::Neutral => "neutral",
        SpfResult::Temperror => "temperror",
        SpfResult::Permerror => "permerror",
        SpfResult::None => "none",
    }
}

fn main() {
    let job = Job::from_args();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    runtime.block_on(async {
        let (answers, config) = (Answers::new(&job.zone()), Config::default());
        let check = async |c: &Connection| {
            // The crate leaves it to the caller to make "none" of a sender that it cannot read.
            let Ok(sender) = Sender::new(&c.mail_from) else { return "none" };
            let helo = DomainName::new(&c.helo).ok();
            word(evaluate_sender(&answers, &config, c.ip, &sender, helo.as_ref()).await.spf_result)
        };
        job.run("viaspf", locked_version("viaspf"), check).await;
    });
}
