// SPDX-License-Identifier: GPL-2.0

//! What the workers do: each operation by itself, without regard to what is there.
//!
//! So the sequence of a worker follows from the seed alone. Most operations find what they need
//! often enough, as there are few namespaces, and few names in each.

use crate::traffic;
use guest::{
    ethtool, module,
    netns::NetNs,
    random::Random,
    rtnl::{Qdisc, Rtnl},
    sys::{self, Address},
};
use std::{
    io::{Error, Result},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream},
    os::fd::OwnedFd,
    process::{Command, Stdio},
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        Arc, Mutex,
    },
    thread,
    time::{Duration, Instant},
};

/// Names of devices. The last one is the first of the module's own.
pub const NAMES: &[&str] = &["cl0", "cl1", "cl2", "rust_lo0"];
/// Namespaces beside the initial one.
const NAMESPACES: usize = 8;

/// What all workers share.
pub struct World {
    /// Where the program was started, and where the module makes its devices.
    pub home: Arc<NetNs>,
    /// The others: each is there or not.
    places: [Mutex<Option<Arc<NetNs>>>; NAMESPACES],
    /// The module, as it was read.
    pub image: Vec<u8>,
    /// How many operations have been done.
    pub done: AtomicUsize,
    /// The workers are to come to their end.
    pub stop: AtomicBool,
}

impl World {
    pub fn new(image: Vec<u8>) -> Result<Self> {
        let world = Self {
            home: Arc::new(NetNs::current()?),
            places: Default::default(),
            image,
            done: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        };
        for at in 0..NAMESPACES {
            world.put(at, Some(Arc::new(NetNs::new()?)));
        }
        Ok(world)
    }

    fn place(&self, at: usize) -> &Mutex<Option<Arc<NetNs>>> {
        &self.places[at % NAMESPACES]
    }

    /// The namespace at one of the places, the initial one after the last.
    fn find(&self, at: usize) -> Result<Arc<NetNs>> {
        match self.places.get(at) {
            None => Ok(self.home.clone()),
            Some(place) => place
                .lock()
                .expect("a worker died")
                .clone()
                .ok_or(missing()),
        }
    }

    /// Puts something else there. What was there is given up by the caller, without the lock.
    fn put(&self, at: usize, ns: Option<Arc<NetNs>>) -> Option<Arc<NetNs>> {
        let mut place = self.place(at).lock().expect("a worker died");
        std::mem::replace(&mut *place, ns)
    }

    /// Gives all namespaces up.
    pub fn clear(&self) {
        (0..NAMESPACES).for_each(|at| drop(self.put(at, None)));
    }
}

fn missing() -> Error {
    Error::from_raw_os_error(libc::ENOENT)
}

/// One of the threads.
pub struct Worker<'a> {
    pub world: &'a World,
    /// A packet socket that is open, whatever becomes of its device.
    pub capture: Option<OwnedFd>,
    /// A connection that is open.
    pub held: Option<(TcpStream, TcpStream)>,
}

type Run = fn(&mut Worker<'_>, &mut Random) -> Result<()>;

/// A kind of operation: its name, how often it is chosen, and what it does.
pub struct Operation(pub &'static str, usize, pub Run);

/// What the ordinary workers do.
pub const OPERATIONS: &[Operation] = &[
    Operation("namespace add", 4, |w, r| {
        let at = r.below(NAMESPACES);
        let ns = Arc::new(NetNs::new()?);
        drop(w.world.put(at, Some(ns)));
        Ok(())
    }),
    Operation("namespace del", 1, |w, r| {
        w.world
            .put(r.below(NAMESPACES), None)
            .map(drop)
            .ok_or(missing())
    }),
    Operation("link add", 30, |w, r| {
        let (name, mtu) = (r.pick(NAMES), r.pick(&[0, 0, 0, 1500, 9000]));
        let elsewhere = r.one_in(4);
        let other = w.world.find(r.below(NAMESPACES + 1));
        let mut rtnl = w.enter(r)?;
        let other = if elsewhere { Some(other?) } else { None };
        rtnl.add(name, "rust_lo", mtu, other.as_deref())
    }),
    Operation("link del", 4, |w, r| {
        let (mut rtnl, index) = w.device(r)?;
        rtnl.delete(index)
    }),
    Operation("move", 8, |w, r| {
        let to = w.world.find(r.below(NAMESPACES + 1));
        let name = if r.one_in(2) {
            Some(r.pick(NAMES))
        } else {
            None
        };
        let (mut rtnl, index) = w.device(r)?;
        rtnl.move_to(index, &*to?, name)
    }),
    Operation("rename", 6, |w, r| {
        let name = r.pick(NAMES);
        let (mut rtnl, index) = w.device(r)?;
        rtnl.rename(index, name)
    }),
    Operation("up", 24, |w, r| {
        let (mut rtnl, index) = w.device_or_lo(r)?;
        rtnl.up(index, true)
    }),
    Operation("down", 6, |w, r| {
        let (mut rtnl, index) = w.device_or_lo(r)?;
        rtnl.up(index, false)
    }),
    Operation("mtu", 6, |w, r| {
        let mtu = r.pick(&[68, 1280, 1500, 9000, 65536, 70000]);
        let (mut rtnl, index) = w.device(r)?;
        rtnl.mtu(index, mtu)
    }),
    Operation("private flags", 8, |w, r| {
        // l3-master and localhost; the latter only while it is down.
        let flags = r.below(4) as u32;
        let name = w.enter_and_name(r)?;
        ethtool::set_private_flags(name, flags)
    }),
    Operation("qdisc netem", 5, |w, r| {
        let kind = Qdisc::Netem(
            r.pick(&[0, 1, 20, 1000]),
            r.pick(&[0, 1, 10]),
            r.pick(&[0, 5]),
        );
        let (mut rtnl, index) = w.device(r)?;
        rtnl.qdisc(index, kind)
    }),
    Operation("qdisc fq", 3, |w, r| {
        let (mut rtnl, index) = w.device(r)?;
        rtnl.qdisc(index, Qdisc::Fq)
    }),
    Operation("qdisc tbf", 3, |w, r| {
        let rate = r.pick(&[100_000, 10_000_000]);
        let (mut rtnl, index) = w.device(r)?;
        rtnl.qdisc(index, Qdisc::Tbf(rate))
    }),
    Operation("qdisc del", 8, |w, r| {
        let (mut rtnl, index) = w.device(r)?;
        rtnl.no_qdisc(index)
    }),
    Operation("clsact add", 5, |w, r| {
        let (mut rtnl, index) = w.device(r)?;
        rtnl.clsact(index)
    }),
    Operation("filter add", 8, |w, r| {
        let (egress, drop) = (r.one_in(2), r.one_in(5));
        let (mut rtnl, index) = w.device(r)?;
        // It may be there already.
        let _ = rtnl.clsact(index);
        rtnl.filter(index, egress, drop)
    }),
    Operation("clsact del", 3, |w, r| {
        let (mut rtnl, index) = w.device(r)?;
        rtnl.no_clsact(index)
    }),
    Operation("address add IPv4", 5, |w, r| w.address(r, true, true)),
    Operation("address del IPv4", 5, |w, r| w.address(r, false, true)),
    Operation("address add IPv6", 5, |w, r| w.address(r, true, false)),
    Operation("address del IPv6", 5, |w, r| w.address(r, false, false)),
    Operation("capture", 4, |w, r| {
        let name = w.enter_and_name(r)?;
        let all = libc::ETH_P_ALL as u16;
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK;
        let socket = sys::socket(libc::AF_PACKET, kind, 0)?;
        sys::bind(&socket, &Address::link(name, all)?)?;
        w.capture = Some(socket);
        Ok(())
    }),
    Operation("captured", 8, |w, _| {
        let socket = w.capture.take().ok_or(missing())?;
        // As far as reading goes, a file.
        let mut file = std::fs::File::from(socket);
        let result = std::io::Read::read(&mut file, &mut [0; 2048]).map(drop);
        w.capture = Some(file.into());
        result
    }),
    Operation("tcpdump", 1, |w, r| {
        let name = w.enter_and_name(r)?;
        let arguments = "-k 5 10 tcpdump -n -c 5 -w /dev/null -i";
        let child = Command::new("timeout")
            .args(arguments.split(' '))
            .arg(name)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .output()?;
        // It has captured if it says how much, whatever ended it.
        let text = String::from_utf8_lossy(&child.stderr);
        if text.contains("packets captured") {
            return Ok(());
        }
        Err(Error::other("no capture"))
    }),
    Operation("tcp", 10, |w, r| w.enter(r).and_then(|_| traffic::tcp(r))),
    Operation("udp", 14, |w, r| w.enter(r).and_then(|_| traffic::udp(r))),
    Operation("icmp", 10, |w, r| w.enter(r).and_then(|_| traffic::icmp(r))),
    Operation("sctp", 6, |w, r| w.enter(r).and_then(|_| traffic::sctp(r))),
    Operation("multicast", 8, |w, r| {
        let (_, index) = w.device(r)?;
        traffic::multicast(r, index)
    }),
    Operation("send and go", 8, |w, r| {
        w.enter(r)?;
        traffic::forget(r)
    }),
    Operation("tcp hold", 3, |w, r| {
        w.held = None;
        w.enter(r)?;
        w.held = Some(traffic::hold(r)?);
        Ok(())
    }),
    Operation("tcp held", 8, |w, _| {
        traffic::held(w.held.as_mut().ok_or(missing())?)
    }),
    Operation("let go", 2, |w, _| {
        (w.capture, w.held) = (None, None);
        Ok(())
    }),
];

/// What the one thread does that has the module.
pub const MODULE: &[Operation] = &[
    Operation("rmmod", 1, |w, r| {
        w.wait(500 + r.below(2500));
        module::unload("rust_lo")
    }),
    Operation("insmod", 1, |w, r| {
        let parameters = format!("numdevs={} up={}", r.below(4), r.below(2));
        module::load(&w.world.image, &parameters)
    }),
];

/// Chooses one of them.
pub fn choose<'a>(operations: &'a [Operation], random: &mut Random) -> &'a Operation {
    random.weighted(operations, |o| o.1)
}

impl Worker<'_> {
    /// Until the others have done so many operations: a time would be too short for them on a
    /// slow machine. On a very slow one a minute has to do, or this would pass for an operation
    /// that hangs.
    fn wait(&self, operations: usize) {
        let (start, end) = (Instant::now(), self.world.done.load(Relaxed) + operations);
        while self.world.done.load(Relaxed) < end
            && start.elapsed() < Duration::from_secs(60)
            && !self.world.stop.load(Relaxed)
        {
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Goes to a namespace.
    fn enter(&self, random: &mut Random) -> Result<Rtnl> {
        self.world.find(random.below(NAMESPACES + 1))?.enter()?;
        Rtnl::new()
    }

    fn enter_and_name(&self, random: &mut Random) -> Result<&'static str> {
        let name = random.pick(NAMES);
        self.enter(random)?.index(name)?;
        Ok(name)
    }

    /// A device in some namespace.
    fn device(&self, random: &mut Random) -> Result<(Rtnl, u32)> {
        let name = random.pick(NAMES);
        let mut rtnl = self.enter(random)?;
        let index = rtnl.index(name)?;
        Ok((rtnl, index))
    }

    /// As [`Self::device`], or `lo`, but not that of the guest.
    fn device_or_lo(&self, random: &mut Random) -> Result<(Rtnl, u32)> {
        if !random.one_in(8) {
            return self.device(random);
        }
        self.world.find(random.below(NAMESPACES))?.enter()?;
        let mut rtnl = Rtnl::new()?;
        let index = rtnl.index("lo")?;
        Ok((rtnl, index))
    }

    fn address(&self, random: &mut Random, add: bool, four: bool) -> Result<()> {
        let n = random.below(2) as u8;
        let (address, len) = match four {
            true if random.one_in(4) => (Ipv4Addr::new(127, 0, 0, 1 + n).into(), 32),
            true => (Ipv4Addr::new(10, n, 0, 1).into(), 16),
            false => (Ipv6Addr::new(0xfd00, n.into(), 0, 0, 0, 0, 0, 1).into(), 64),
        };
        let address: IpAddr = address;
        let (mut rtnl, index) = self.device(random)?;
        rtnl.address(add, index, address, len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the first operations of a worker.
    fn first(seed: u64) -> Vec<&'static str> {
        let mut random = Random::new(seed);
        (0..1000)
            .map(|_| choose(OPERATIONS, &mut random).0)
            .collect()
    }

    #[test]
    fn operations_follow_from_the_seed() {
        assert_eq!(first(7), first(7));
        assert_ne!(first(7), first(8));
    }

    #[test]
    fn every_kind_is_chosen() {
        for operation in OPERATIONS {
            assert!(first(1).contains(&operation.0), "{}", operation.0);
        }
    }
}
