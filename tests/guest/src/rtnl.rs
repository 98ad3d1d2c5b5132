// SPDX-License-Identifier: GPL-2.0

//! What `ip` and `tc` ask the kernel for, over one rtnetlink socket.

use crate::{
    netns::NetNs,
    sys,
    uapi::*,
    wire::{attr, u32_at, Request},
};
use std::{
    fs::File,
    io::{Error, Read, Result, Write},
    net::IpAddr,
};

/// `TC_H_CLSACT`
const CLSACT: u32 = 0xffff_fff1;
/// `TC_H_CLSACT | TC_H_MIN_INGRESS` and `TC_H_MIN_EGRESS`
const HOOKS: [u32; 2] = [0xffff_fff2, 0xffff_fff3];
/// Ticks of `tc` in a millisecond: `PSCHED_SHIFT` is 6.
const TICKS: u32 = 1_000_000 / 64;

/// A socket in the namespace in which it was made.
pub struct Rtnl(File);

/// `struct ifinfomsg`
fn link(index: u32, flags: i32, change: i32) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    bytes.extend(index.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(change.to_ne_bytes());
    bytes
}

/// `struct tcmsg`
fn tc(index: u32, handle: u32, parent: u32, info: u32) -> Vec<u8> {
    [0, index, handle, parent, info]
        .into_iter()
        .flat_map(u32::to_ne_bytes)
        .collect()
}

fn words<const N: usize>(words: [u32; N]) -> Vec<u8> {
    words.into_iter().flat_map(u32::to_ne_bytes).collect()
}

fn name_attr(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}

/// A queueing discipline for the root of a device.
#[derive(Clone, Copy, Debug)]
pub enum Qdisc {
    /// Delay in ms, loss and duplication in percent.
    Netem(u32, u32, u32),
    /// Fair queueing.
    Fq,
    /// Bytes per second.
    Tbf(u32),
}

impl Rtnl {
    /// In the namespace of the calling thread.
    pub fn new() -> Result<Self> {
        let socket = sys::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
        Ok(Self(File::from(socket)))
    }

    /// Asks for something that is answered with yes or an error.
    pub fn ask(&mut self, request: Request) -> Result<()> {
        let mut buffer = [0; 4096];
        self.0.write_all(&request.finish(1))?;
        let len = self.0.read(&mut buffer)?;
        // struct nlmsghdr, then the negative error code.
        let kind = u16::from_ne_bytes([buffer[4], buffer[5]]);
        assert!(len >= 20 && i32::from(kind) == libc::NLMSG_ERROR);
        let code = u32_at(&buffer, 16).expect("a struct nlmsgerr") as i32;
        if code == 0 {
            return Ok(());
        }
        Err(Error::from_raw_os_error(-code))
    }

    /// `ip link add NAME [mtu MTU] [netns OTHER] type KIND`
    pub fn add(&mut self, name: &str, kind: &str, mtu: u32, other: Option<&NetNs>) -> Result<()> {
        let info = attr(IFLA_INFO_KIND, kind.as_bytes());
        let mut request = Request::new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link(0, 0, 0))
            .attr(IFLA_IFNAME, &name_attr(name))
            .attr(IFLA_LINKINFO, &info);
        if mtu != 0 {
            request = request.attr_u32(IFLA_MTU, mtu);
        }
        if let Some(other) = other {
            request = request.attr(IFLA_NET_NS_FD, &other.as_attribute());
        }
        self.ask(request)
    }

    /// `ip link del INDEX`
    pub fn delete(&mut self, index: u32) -> Result<()> {
        self.ask(Request::new(RTM_DELLINK, 0, &link(index, 0, 0)))
    }

    /// `ip link set INDEX up` or `down`
    pub fn up(&mut self, index: u32, up: bool) -> Result<()> {
        let flags = if up { libc::IFF_UP } else { 0 };
        let fixed = link(index, flags, libc::IFF_UP);
        self.ask(Request::new(RTM_NEWLINK, 0, &fixed))
    }

    /// `ip link set INDEX mtu MTU`
    pub fn mtu(&mut self, index: u32, mtu: u32) -> Result<()> {
        let request = Request::new(RTM_NEWLINK, 0, &link(index, 0, 0));
        self.ask(request.attr_u32(IFLA_MTU, mtu))
    }

    /// `ip link set INDEX name NAME`
    pub fn rename(&mut self, index: u32, name: &str) -> Result<()> {
        let request = Request::new(RTM_NEWLINK, 0, &link(index, 0, 0));
        self.ask(request.attr(IFLA_IFNAME, &name_attr(name)))
    }

    /// `ip link set INDEX netns TO [name NAME]`
    pub fn move_to(&mut self, index: u32, to: &NetNs, name: Option<&str>) -> Result<()> {
        let mut request = Request::new(RTM_NEWLINK, 0, &link(index, 0, 0))
            .attr(IFLA_NET_NS_FD, &to.as_attribute());
        if let Some(name) = name {
            request = request.attr(IFLA_IFNAME, &name_attr(name));
        }
        self.ask(request)
    }

    /// The index of the device of that name. Unlike `if_nametoindex()`, which makes the kernel look
    /// for a module of that name, this only looks.
    pub fn index(&mut self, name: &str) -> Result<u32> {
        let request = Request::new(RTM_GETLINK, 0, &link(0, 0, 0));
        let answer = self.get(request.attr(IFLA_IFNAME, &name_attr(name)))?;
        Ok(u32_at(&answer, 20).expect("a struct ifinfomsg"))
    }

    /// The flags of a device.
    pub fn flags(&mut self, index: u32) -> Result<i32> {
        let answer = self.get(Request::new(RTM_GETLINK, 0, &link(index, 0, 0)))?;
        Ok(u32_at(&answer, 24).expect("a struct ifinfomsg") as i32)
    }

    /// Asks for something that is answered with a message, which this returns.
    fn get(&mut self, request: Request) -> Result<Vec<u8>> {
        let mut answer = vec![0; 1 << 14];
        self.0.write_all(&request.finish(1))?;
        let len = self.0.read(&mut answer)?;
        answer.truncate(len);
        if i32::from(u16::from_ne_bytes([answer[4], answer[5]])) == libc::NLMSG_ERROR {
            let code = u32_at(&answer, 16).expect("a struct nlmsgerr") as i32;
            return Err(Error::from_raw_os_error(-code));
        }
        // Every request is acknowledged as well.
        let _ = self.0.read(&mut [0; 4096])?;
        Ok(answer)
    }

    /// `ip address add` or `del ADDRESS/LENGTH dev INDEX`, without duplicate address detection.
    pub fn address(&mut self, add: bool, index: u32, address: IpAddr, len: u8) -> Result<()> {
        let (family, bytes) = match address {
            IpAddr::V4(a) => (libc::AF_INET as u8, a.octets().to_vec()),
            IpAddr::V6(a) => (libc::AF_INET6 as u8, a.octets().to_vec()),
        };
        let mut fixed = vec![family, len, libc::IFA_F_NODAD as u8, 0];
        fixed.extend(index.to_ne_bytes());
        let request = if add {
            Request::new(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &fixed)
        } else {
            Request::new(RTM_DELADDR, 0, &fixed)
        };
        self.ask(request.attr(libc::IFA_LOCAL, &bytes))
    }

    /// `tc qdisc replace dev INDEX root …`
    pub fn qdisc(&mut self, index: u32, qdisc: Qdisc) -> Result<()> {
        let fixed = tc(index, 0, TC_H_ROOT, 0);
        let request = Request::new(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, &fixed);
        let percent = |n: u32| n * (u32::MAX / 100);
        self.ask(match qdisc {
            Qdisc::Netem(delay, loss, duplicate) => {
                // struct tc_netem_qopt
                let (loss, duplicate) = (percent(loss), percent(duplicate));
                let options = words([delay * TICKS, 1000, loss, 0, duplicate, 0]);
                request
                    .attr(TCA_KIND, b"netem\0")
                    .attr(TCA_OPTIONS, &options)
            }
            Qdisc::Fq => request.attr(TCA_KIND, b"fq\0"),
            Qdisc::Tbf(rate) => {
                // struct tc_ratespec, of TC_LINKLAYER_ETHERNET, and none for the peak.
                let mut parameters = words([u32::from_ne_bytes([0, 1, 0, 0]), 0, rate]);
                // struct tc_tbf_qopt: limit, buffer, MTU
                parameters.extend(words([0, 0, 0, 1 << 20, 1000 * TICKS, 0]));
                let burst = attr(TCA_TBF_BURST, &(128u32 << 10).to_ne_bytes());
                request.attr(TCA_KIND, b"tbf\0").attr(
                    TCA_OPTIONS,
                    &[attr(TCA_TBF_PARMS, &parameters), burst].concat(),
                )
            }
        })
    }

    /// `tc qdisc del dev INDEX root`
    pub fn no_qdisc(&mut self, index: u32) -> Result<()> {
        let fixed = tc(index, 0, TC_H_ROOT, 0);
        self.ask(Request::new(RTM_DELQDISC, 0, &fixed))
    }

    /// `tc qdisc add dev INDEX clsact`
    pub fn clsact(&mut self, index: u32) -> Result<()> {
        let fixed = tc(index, 0xffff_0000, CLSACT, 0);
        let request = Request::new(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &fixed);
        self.ask(request.attr(TCA_KIND, b"clsact\0"))
    }

    /// `tc qdisc del dev INDEX clsact`
    pub fn no_clsact(&mut self, index: u32) -> Result<()> {
        let fixed = tc(index, 0xffff_0000, CLSACT, 0);
        self.ask(Request::new(RTM_DELQDISC, 0, &fixed))
    }

    /// `tc filter add dev INDEX ingress` or `egress matchall action pass` or `drop`
    pub fn filter(&mut self, index: u32, egress: bool, drop: bool) -> Result<()> {
        // All protocols (ETH_P_ALL, in network order), priority 1.
        let info = (1 << 16) | u32::from((libc::ETH_P_ALL as u16).to_be());
        let fixed = tc(index, 0, HOOKS[usize::from(egress)], info);
        // struct tc_gact, with TC_ACT_OK or TC_ACT_SHOT.
        let gact = words([0, 0, if drop { 2 } else { 0 }, 0, 0]);
        let gact = attr(TCA_ACT_OPTIONS | NLA_F_NESTED, &attr(TCA_GACT_PARMS, &gact));
        let action = [attr(TCA_ACT_KIND, b"gact\0"), gact].concat();
        let options = attr(TCA_MATCHALL_ACT, &attr(1, &action));
        let request = Request::new(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &fixed)
            .attr(TCA_KIND, b"matchall\0")
            .attr(TCA_OPTIONS, &options);
        self.ask(request)
    }
}

const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_BURST: u16 = 6;
const TCA_MATCHALL_ACT: u16 = 2;
const TCA_ACT_KIND: u16 = 1;
const TCA_ACT_OPTIONS: u16 = 2;
const TCA_GACT_PARMS: u16 = 2;
