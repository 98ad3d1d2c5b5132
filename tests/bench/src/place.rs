// SPDX-License-Identifier: GPL-2.0

//! Namespaces with one device each, over which traffic loops, and the servers there.

use crate::{
    command::{own, sh, Background},
    Result,
};
use std::{thread::sleep, time::Duration};

/// A way to loop traffic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The C loopback.
    Lo,
    /// Ours, with `lo` down.
    RustLo,
    /// The same as an L3 master (private flag `l3-master`).
    L3Master,
    /// A pair across two namespaces.
    Veth,
    /// A VRF device with the loopback's addresses.
    Vrf,
    /// It sends into the void: for pktgen only.
    Dummy,
}

impl Kind {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Lo => "lo",
            Kind::RustLo => "rust_lo",
            Kind::L3Master => "l3-master",
            Kind::Veth => "veth",
            Kind::Vrf => "vrf",
            Kind::Dummy => "dummy",
        }
    }
}

/// Makes a namespace, with the source validation that every Debian has in its namespaces (package
/// linux-sysctl-defaults), but not a guest that has booted without it.
fn add_namespace(ns: &str) -> Result {
    // What an earlier run may have left.
    let _ = sh(&format!("ip netns del {ns}"));
    sh(&format!("ip netns add {ns}"))?;
    sh(&format!(
        "ip netns exec {ns} sysctl -q net.ipv4.conf.default.rp_filter=2 net.ipv4.conf.lo.rp_filter=2"
    ))?;
    Ok(())
}

/// A namespace of its own for a device, so that the addresses and the routes of all are the same.
pub struct Place {
    /// What loops the traffic.
    pub kind: Kind,
    /// Name of the device.
    pub dev: &'static str,
    ns: String,
    peer_ns: Option<String>,
    servers: Vec<Background>,
}

impl Place {
    /// Makes it, with a netserver and an echo server.
    pub fn new(kind: Kind) -> Result<Self> {
        let ns = format!("bench-{}", kind.name());
        let mut place = Self {
            kind,
            // As long as that of lo: a ruleset copies and compares names.
            dev: match kind {
                Kind::Lo => "lo",
                Kind::RustLo | Kind::L3Master => "rl",
                Kind::Veth => "ve",
                Kind::Vrf => "vr",
                Kind::Dummy => "du",
            },
            peer_ns: (kind == Kind::Veth).then(|| format!("{ns}-peer")),
            ns,
            servers: Vec::new(),
        };
        place.make()?;
        if kind != Kind::Dummy {
            place.serve()?;
        }
        Ok(place)
    }

    fn make(&self) -> Result {
        let Self { ns, dev, .. } = self;
        add_namespace(ns)?;
        let ip = |line: &str| sh(&format!("ip -n {ns} {line}"));
        // getaddrinfo(), with the flags that netperf gives it, knows no 127.0.0.1 where there is
        // no other address.
        ip("link add other0 type dummy")?;
        ip("addr add 192.0.2.1/24 dev other0")?;
        ip("addr add 2001:db8::1/64 dev other0 nodad")?;
        ip("link set other0 up")?;
        match self.kind {
            Kind::Lo => ip("link set lo up")?,
            Kind::RustLo | Kind::L3Master => {
                ip(&format!("link add {dev} type rust_lo"))?;
                if self.kind == Kind::L3Master {
                    sh(&format!(
                        "ip netns exec {ns} ethtool --set-priv-flags {dev} l3-master on"
                    ))?;
                }
                ip(&format!("link set {dev} up"))?
            }
            Kind::Veth => {
                let peer = self.peer();
                add_namespace(peer)?;
                ip(&format!(
                    "link add {dev} type veth peer name {dev} netns {peer}"
                ))?;
                for (ns, host) in [(ns.as_str(), 1), (peer, 2)] {
                    sh(&format!(
                        "ip -n {ns} addr add 198.51.100.{host}/24 dev {dev}"
                    ))?;
                    sh(&format!(
                        "ip -n {ns} addr add 2001:db8:1::{host}/64 dev {dev} nodad"
                    ))?;
                    sh(&format!("ip -n {ns} link set {dev} up"))?;
                }
                String::new()
            }
            Kind::Vrf => {
                ip(&format!("link add {dev} type vrf table 100"))?;
                ip(&format!("link set {dev} up"))?;
                ip(&format!("addr add 127.0.0.1/8 dev {dev}"))?;
                ip(&format!("addr add ::1/128 dev {dev} nodad"))?
            }
            Kind::Dummy => {
                ip(&format!("link add {dev} type dummy"))?;
                ip(&format!("link set {dev} up"))?
            }
        };
        Ok(())
    }

    fn serve(&mut self) -> Result {
        let own = own()?;
        for server in [
            vec!["netserver", "-D"],
            vec![own.as_str(), "echo"],
            vec!["iperf3", "-s"],
        ] {
            let argv = self.argv(self.peer(), &server);
            let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
            self.servers.push(Background::new(&argv)?);
        }
        // Until they listen.
        for _ in 0..100 {
            let listening = sh(&format!("ip netns exec {} ss -Hltn", self.peer()))?;
            if ["12865", "7007", "5201"]
                .iter()
                .all(|port| listening.contains(port))
            {
                return Ok(());
            }
            sleep(Duration::from_millis(100));
        }
        Err(format!("the servers in {} do not listen", self.peer()).into())
    }

    /// The namespace of the servers.
    fn peer(&self) -> &str {
        self.peer_ns.as_deref().unwrap_or(&self.ns)
    }

    /// The command line that runs a program in a namespace.
    fn argv(&self, ns: &str, program: &[&str]) -> Vec<String> {
        let exec = match self.kind {
            Kind::Vrf => format!("ip netns exec {ns} ip vrf exec {}", self.dev),
            _ => format!("ip netns exec {ns}"),
        };
        exec.split(' ')
            .chain(program.iter().copied())
            .map(String::from)
            .collect()
    }

    /// Runs a client there and gives back what it prints.
    pub fn client(&self, program: &[&str]) -> Result<String> {
        let argv = self.argv(&self.ns, program);
        crate::command::output(&argv.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Starts a program there.
    pub fn background(&self, program: &[&str]) -> Result<Background> {
        let argv = self.argv(&self.ns, program);
        Background::new(&argv.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// `ip` of the namespace.
    pub fn ip(&self, line: &str) -> Result<String> {
        sh(&format!("ip -n {} {line}", self.ns))
    }

    /// `ip` of the namespace and, if it has one, of that of its servers.
    pub fn ip_both(&self, line: &str) -> Result {
        for ns in [Some(&self.ns), self.peer_ns.as_ref()]
            .into_iter()
            .flatten()
        {
            sh(&format!("ip -n {ns} {line}"))?;
        }
        Ok(())
    }

    /// `ip -batch` of the namespace.
    pub fn ip_batch(&self, lines: &str) -> Result {
        crate::command::batch(&["ip", "-n", &self.ns, "-batch", "-"], lines)
    }

    /// The servers' address.
    pub fn address(&self, v6: bool) -> &'static str {
        match (self.kind, v6) {
            (Kind::Veth, false) => "198.51.100.2",
            (Kind::Veth, true) => "2001:db8:1::2",
            (_, false) => "127.0.0.1",
            (_, true) => "::1",
        }
    }

    /// A file of the device in sysfs, of its other end if it is a pair.
    fn attribute(&self, file: &str) -> Result<String> {
        let (ns, dev) = (self.peer(), self.dev);
        let text = sh(&format!(
            "ip netns exec {ns} cat /sys/class/net/{dev}/{file}"
        ))?;
        Ok(text.trim().into())
    }

    /// The hardware address that a frame on the device has to have.
    pub fn mac(&self) -> Result<String> {
        match self.kind {
            Kind::Dummy => Ok("02:00:00:00:00:01".into()),
            _ => self.attribute("address"),
        }
    }

    /// Packets that came out of the device.
    pub fn received(&self) -> Result<u64> {
        Ok(self.attribute("statistics/rx_packets")?.parse()?)
    }

    /// Switches GRO where they come out. A veth has NAPI with it, without which it takes no frames
    /// of XDP.
    pub fn gro(&self, state: &str) -> Result {
        let (ns, dev) = (self.peer(), self.dev);
        sh(&format!("ip netns exec {ns} ethtool -K {dev} gro {state}")).map(drop)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.servers.clear();
        if let Some(peer) = &self.peer_ns {
            let _ = sh(&format!("ip netns del {peer}"));
        }
        let _ = sh(&format!("ip netns del {}", self.ns));
    }
}
