// SPDX-License-Identifier: GPL-2.0

//! What may come out.
//!
//! The peer is `dummy`: it has an MTU without limits too, no queue and no operations of its own for
//! links but one that checks addresses, so that rtnetlink does the same for both. Whatever it
//! answers, the kind that is tested has to answer, but for the [`DIFFERENCES`].

use crate::{
    message::{attributes, Seen},
    round::Mode,
    world::{Answer, Link, Tested, INITIAL_ID},
};
use guest::uapi::*;

/// A message that was sent in both worlds, and the answers.
pub struct Case<'a> {
    pub tested: Tested,
    /// As it was sent for the kind that is tested.
    pub bytes: &'a [u8],
    pub seen: &'a Seen,
    /// Not all of it is what the kernel's policy asks for.
    pub damaged: bool,
    pub ours: &'a Answer,
    pub theirs: &'a Answer,
}

impl Case<'_> {
    fn attr(&self, attr: u16) -> Option<&[u8]> {
        if self.seen.is_link() {
            self.seen.attr(self.bytes, attr)
        } else {
            None
        }
    }

    fn number(&self, attr: u16) -> u32 {
        self.attr(attr)
            .filter(|payload| payload.len() >= 4)
            .map_or(0, |payload| crate::message::u32_at(payload, 0))
    }
}

/// Where a device is meant to be unlike a dummy.
pub struct Difference {
    pub name: &'static str,
    whose: &'static [Tested],
    #[allow(dead_code, reason = "for the reader")]
    pub why: &'static str,
    applies: fn(&Case<'_>) -> bool,
}

const LARGEST_GSO: u32 = 8 * 65535;

pub const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "address of zeros",
        whose: &[Tested::RustLo],
        why: "It is what a loopback has: asking for it is no change. dummy_validate() \
              (drivers/net/dummy.c) and eth_mac_addr() (net/ethernet/eth.c) refuse it.",
        applies: |case| {
            matches!(case.seen.kind, RTM_NEWLINK | RTM_SETLINK)
                && case.theirs.errno == libc::EADDRNOTAVAIL
                && case
                    .attr(IFLA_ADDRESS)
                    .is_some_and(|a| a.len() >= 6 && a[..6].iter().all(|&byte| byte == 0))
        },
    },
    Difference {
        name: "broadcast address of a wrong length",
        whose: &[Tested::RustLo],
        why:
            "validate refuses it, before anything else is looked at. With dummy rtnl_create_link() \
              copies any that is not too short, past the end of an Ethernet address.",
        applies: |case| {
            case.seen.kind == RTM_NEWLINK
                && case.ours.errno == libc::EINVAL
                && case.ours.text.starts_with("broadcast address has ")
                && case.attr(IFLA_BROADCAST).is_some_and(|a| a.len() != 6)
        },
    },
    Difference {
        name: "carrier",
        whose: &[Tested::RustLo],
        why: "A loopback has no ndo_change_carrier.",
        applies: |case| case.ours.errno == libc::EOPNOTSUPP && case.attr(IFLA_CARRIER).is_some(),
    },
    Difference {
        name: "large GSO packets",
        whose: &[Tested::RustLo],
        why: "The limit of a loopback is GSO_MAX_SIZE, that of a dummy TSO_LEGACY_MAX_SIZE \
              (alloc_netdev_mqs(), net/core/dev.c).",
        applies: |case| {
            let large = 65537..=LARGEST_GSO;
            case.theirs.errno == libc::EINVAL
                && case.theirs.text.starts_with("too big gso_")
                && [IFLA_GSO_MAX_SIZE, IFLA_GSO_IPV4_MAX_SIZE]
                    .iter()
                    .any(|&attr| large.contains(&case.number(attr)))
        },
    },
    Difference {
        name: "index in another namespace",
        whose: &Tested::ALL,
        why: "The message has the index of a device in its own namespace; whether the other one \
              has a device of that index too is chance, after a message that only one could obey.",
        applies: |case| {
            case.attr(IFLA_TARGET_NETNSID).is_some()
                && (case.ours.errno == libc::ENODEV) != (case.theirs.errno == libc::ENODEV)
        },
    },
    Difference {
        name: "address of its own",
        whose: &[Tested::RustLo],
        why: "A loopback that is up has 127.0.0.1 and ::1, a dummy none: a request without an \
              address removes the first one.",
        applies: |case| {
            case.seen.kind == RTM_DELADDR
                && case.ours.errno == 0
                && case.theirs.errno == libc::EADDRNOTAVAIL
        },
    },
    Difference {
        name: "damaged kind",
        whose: &Tested::ALL,
        why: "The name of the kind runs on into what follows it, not at the same byte for both. \
              A message that is whole has one: it is the kind that is not there then.",
        applies: |case| {
            case.damaged
                && [case.ours, case.theirs]
                    .iter()
                    .any(|a| a.errno == libc::EOPNOTSUPP && a.text == "Unknown device type")
        },
    },
    Difference {
        name: "IPv6 token",
        whose: &[Tested::RustLo],
        why: "inet6_set_iftoken() (net/ipv6/addrconf.c) refuses a loopback first.",
        applies: |case| {
            case.ours.errno == libc::EINVAL
                && case.ours.text.ends_with(": Device is loopback")
                && case.attr(IFLA_AF_SPEC).is_some()
        },
    },
    Difference {
        name: "index taken for something else",
        whose: &Tested::ALL,
        why: "The index of the device is not the same for both, and this type of message has \
              something else there: attributes (RTM_SETNEIGHTBL), a table (RTM_NEWRULE).",
        applies: |case| {
            // Links, addresses, routes and neighbours; traffic control; multicast of bridges; other
            // names of links.
            !matches!(case.seen.kind, 16..=31 | 36..=47 | 84..=87 | 108..=111)
        },
    },
    Difference {
        name: "IPv6 route",
        whose: &[Tested::RustLo],
        why: "fib6_nh_init() (net/ipv6/route.c) makes a route through any loopback an unreachable \
              one through lo, which has to be up for it.",
        applies: |case| {
            let family = case.bytes.get(case.seen.range.start + HEADER);
            matches!(case.seen.kind, RTM_NEWROUTE | RTM_DELROUTE) && family == Some(&AF_INET6)
        },
    },
];

/// The difference that explains different answers, or devices.
pub fn explain(case: &Case<'_>) -> Option<&'static Difference> {
    DIFFERENCES
        .iter()
        .find(|d| d.whose.contains(&case.tested) && (d.applies)(case))
}

/// What our own `validate` has to say of a message that gets as far: error and text.
pub fn refused_by_validate(
    tested: Tested,
    bytes: &[u8],
    seen: &Seen,
) -> Option<(i32, &'static str)> {
    let info = seen.attr(bytes, IFLA_LINKINFO)?;
    let kind = attributes(info, 0..info.len())
        .into_iter()
        .find(|(attr, _)| *attr == IFLA_INFO_KIND)?;
    if seen.kind != RTM_NEWLINK || !info[kind.1].starts_with(tested.name().as_bytes()) {
        return None;
    }
    let address = seen.attr(bytes, IFLA_ADDRESS);
    if address.is_some_and(|a| a.len() != 6) {
        return Some((libc::EINVAL, "address has "));
    }
    if tested == Tested::RustLo
        && seen
            .attr(bytes, IFLA_BROADCAST)
            .is_some_and(|a| a.len() != 6)
    {
        return Some((libc::EINVAL, "broadcast address has "));
    }
    if address.is_some_and(|a| a[0] & 1 != 0) {
        return Some((libc::EADDRNOTAVAIL, "is a multicast one"));
    }
    if tested == Tested::RustDummy && address.is_some_and(|a| a == [0; 6]) {
        return Some((libc::EADDRNOTAVAIL, "is all zero"));
    }
    None
}

/// The answers to one message, by themselves: exactly one if it was asked for.
pub fn well_answered(seen: Option<&Seen>, answer: &Answer) -> Result<(), String> {
    let Some(seen) = seen else {
        return if *answer == Answer::default() {
            Ok(())
        } else {
            Err(format!("an answer to what is no message: {answer:?}"))
        };
    };
    // GET of any family: two types of four. What has no family is left alone
    // (`rtnetlink_rcv_msg()`, `net/core/rtnetlink.c`).
    let dump = seen.kind % 4 == 2 && seen.flags & NLM_F_DUMP != 0 && seen.range.len() > HEADER;
    let wanted = if seen.flags & NLM_F_ACK != 0 || (seen.flags & NLM_F_REQUEST != 0 && dump) {
        1..=1
    } else {
        0..=1
    };
    if !wanted.contains(&answer.ends) || answer.stray != 0 {
        return Err(format!("not the one answer that was asked for: {answer:?}"));
    }
    if !(0..4096).contains(&answer.errno) {
        return Err(format!("no error code: {answer:?}"));
    }
    Ok(())
}

/// A message of an ordinary user that names the initial namespace must not succeed.
pub fn touches_initial(bytes: &[u8], seen: &Seen, initial_fd: i32) -> bool {
    let names = |attr, value| seen.attr_u32(bytes, attr) == Some(value);
    // A dump of links has no eye for the first two.
    let by_process = names(IFLA_NET_NS_PID, 1) || names(IFLA_NET_NS_FD, initial_fd as u32);
    seen.is_link()
        && (by_process && seen.kind != RTM_GETLINK || names(IFLA_TARGET_NETNSID, INITIAL_ID))
}

/// A message that would change what was in the initial namespace before.
pub fn endangers(tested: Tested, mode: Mode, bytes: &[u8], seen: &Seen, ours: &[i32]) -> bool {
    if mode != Mode::Initial || !seen.is_link() {
        return false;
    }
    let index = seen.index(bytes);
    let names = [IFLA_IFNAME, IFLA_ALT_IFNAME].map(|attr| seen.attr(bytes, attr));
    if index > 0 {
        // Any device that was not made by us.
        return !ours.contains(&index) && seen.kind != RTM_NEWLINK
            || (index < 1000 && !ours.contains(&index));
    }
    let known = |name: &[u8]| {
        let kinds = ["lo", "rust_lo", tested.name()];
        kinds.iter().any(|kind| name.starts_with(kind.as_bytes()))
    };
    if names.iter().any(Option::is_some) {
        return names.into_iter().flatten().any(known);
    }
    seen.attr(bytes, IFLA_GROUP).is_some() && seen.attr_u32(bytes, IFLA_GROUP).unwrap_or(0) == 0
}

/// Flags that users change, and what follows from them. `IFF_NOARP`, `IFF_BROADCAST` and
/// `IFF_LOOPBACK` are those of the kind.
const FLAGS: u32 = IFF_UP
    | IFF_DEBUG
    | IFF_NOTRAILERS
    | IFF_RUNNING
    | IFF_PROMISC
    | IFF_ALLMULTI
    | IFF_MULTICAST
    | IFF_PORTSEL
    | IFF_AUTOMEDIA
    | IFF_DYNAMIC
    | IFF_LOWER_UP
    | IFF_DORMANT;

/// What is wrong with our device: it is not as theirs is. Each begins with the values of its kind.
fn differs(tested: Tested, ours: &Link, theirs: &Link) -> Vec<String> {
    let loopback = tested == Tested::RustLo;
    let mut wrong = Vec::new();
    let mut same = |what: &str, ok: bool, a: String, b: String| {
        if !ok {
            wrong.push(format!("{what} of {}: {a}, of the peer: {b}", ours.name));
        }
    };
    let (a, b) = (ours.flags & FLAGS, theirs.flags & FLAGS);
    same("flags", a == b, format!("{a:#x}"), format!("{b:#x}"));
    let (a, b) = (ours.mtu, theirs.mtu);
    let default = loopback && (a, b) == (65536, 1500);
    same("MTU", a == b || default, a.to_string(), b.to_string());
    let (a, b) = (&ours.address, &theirs.address);
    let random = |address: &[u8]| address.len() == 6 && address[0] & 3 == 2;
    let default = match tested {
        Tested::RustLo => *a == [0; 6] && b.len() == 6,
        Tested::RustDummy => random(a) && random(b),
    };
    same(
        "address",
        a == b || default,
        format!("{a:x?}"),
        format!("{b:x?}"),
    );
    let (a, b) = (&ours.broadcast, &theirs.broadcast);
    let default = loopback && *a == [0; 6] && *b == [0xff; 6];
    let what = "broadcast address";
    same(
        what,
        a == b || default,
        format!("{a:x?}"),
        format!("{b:x?}"),
    );
    let (a, b) = (&ours.names, &theirs.names);
    same("other names", a == b, format!("{a:x?}"), format!("{b:x?}"));
    let (a, b) = (ours.master != 0, theirs.master != 0);
    same("master", a == b, a.to_string(), b.to_string());
    for ((attr, a), (other, b)) in ours.plain.iter().zip(&theirs.plain) {
        let what = format!("attribute {attr}");
        let ok = attr == other && a == b;
        same(&what, ok, format!("{a:x?}"), format!("{other} {b:x?}"));
    }
    let (a, b) = (ours.plain.len(), theirs.plain.len());
    same("attributes", a == b, a.to_string(), b.to_string());
    wrong
}

/// What is not the same in a namespace of the two worlds: names of devices, and what is wrong.
pub fn compare(
    tested: Tested,
    ours: &[Link],
    theirs: &[Link],
    skip: &[String],
) -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    let find = |links: &[Link], name: &str| links.iter().position(|l| l.name == name);
    for link in ours.iter().filter(|l| !skip.contains(&l.name)) {
        let name = &link.name;
        match find(theirs, name) {
            Some(at) => {
                let found = differs(tested, link, &theirs[at]);
                wrong.extend(found.into_iter().map(|w| (name.clone(), w)));
            }
            None => wrong.push((name.clone(), format!("{name} is there for our kind only"))),
        }
    }
    for link in theirs.iter().filter(|l| !skip.contains(&l.name)) {
        if find(ours, &link.name).is_none() {
            let what = format!("{} is there for the peer only", link.name);
            wrong.push((link.name.clone(), what));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::walk;

    #[test]
    fn a_kind_that_is_not_there_is_explained_by_damage_only() {
        // RTM_NEWLINK with a struct ifinfomsg and nothing behind it.
        let mut bytes = vec![32, 0, 0, 0, RTM_NEWLINK as u8, 0, 1, 6];
        bytes.resize(32, 0);
        let seen = walk(&bytes).remove(0);
        let unknown = Answer {
            ends: 1,
            errno: libc::EOPNOTSUPP,
            text: "Unknown device type".into(),
            stray: 0,
        };
        let made = Answer {
            ends: 1,
            ..Answer::default()
        };
        let explained = |damaged, ours, theirs| {
            let case = Case {
                tested: Tested::RustLo,
                bytes: &bytes,
                seen: &seen,
                damaged,
                ours,
                theirs,
            };
            explain(&case).map(|difference| difference.name)
        };
        for (ours, theirs) in [(&unknown, &made), (&made, &unknown)] {
            assert_eq!(explained(false, ours, theirs), None);
            assert_eq!(explained(true, ours, theirs), Some("damaged kind"));
        }
    }
}
