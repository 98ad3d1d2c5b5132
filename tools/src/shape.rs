// SPDX-License-Identifier: GPL-2.0

//! What a link is like: its delay, loss and rate, as a netem qdisc, and its MTU.

use crate::state::Dev;
use crate::uapi::*;
use crate::wire::{attr, Request};

/// Packets that wait for their turn, as with `tc`.
const QUEUE: u64 = 1000;
/// Those that may be on their way where there is no rate to reckon by.
const MANY: u64 = 100_000;

/// How localhost is to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    /// How long each packet is on its way, in nanoseconds.
    pub delay: Option<i64>,
    /// The part of packets that is lost, of `u32::MAX`.
    pub loss: Option<u32>,
    /// Bytes in a second.
    pub rate: Option<u64>,
    /// The longest packet.
    pub mtu: Option<u32>,
}

/// A number and the unit after it.
fn split(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    Some((number.parse().ok()?, unit))
}

/// A time as in `20ms`.
pub fn time(text: &str) -> Result<i64, String> {
    let nanoseconds = split(text).and_then(|(number, unit)| {
        let unit = match unit {
            "s" => 1e9,
            "ms" => 1e6,
            "us" => 1e3,
            "ns" => 1.0,
            _ => return None,
        };
        Some((number * unit).round())
    });
    match nanoseconds {
        // An hour, more than any link has.
        Some(n) if n <= 3.6e12 => Ok(n as i64),
        Some(_) => Err("more than an hour".into()),
        None => Err("a number with s, ms, us or ns is wanted, as in 20ms".into()),
    }
}

/// A part as in `0.1%`.
pub fn part(text: &str) -> Result<u32, String> {
    match split(text) {
        Some((number, "%")) if number <= 100.0 => {
            Ok((number / 100.0 * f64::from(u32::MAX)).round() as u32)
        }
        _ => Err("0% to 100% is wanted, as in 0.1%".into()),
    }
}

/// A rate as in `10mbit`.
pub fn rate(text: &str) -> Result<u64, String> {
    let bits = split(text).and_then(|(number, unit)| {
        let unit = match unit.to_ascii_lowercase().as_str() {
            "bit" => 1.0,
            "kbit" => 1e3,
            "mbit" => 1e6,
            "gbit" => 1e9,
            _ => return None,
        };
        Some(number * unit)
    });
    match bits {
        Some(bits) if (8.0..=1e12).contains(&bits) => Ok((bits / 8.0) as u64),
        Some(_) => Err("8bit to 1000gbit is wanted".into()),
        None => Err("a number with bit, kbit, mbit or gbit is wanted, as in 10mbit".into()),
    }
}

impl Shape {
    /// Whether it takes a qdisc.
    fn is_plain(&self) -> bool {
        self.delay.is_none() && self.loss.is_none() && self.rate.is_none()
    }

    /// How many packets may wait: those that are on their way and some more.
    fn limit(&self) -> u32 {
        let delay = self.delay.unwrap_or(0) as u64;
        let on_their_way = match self.rate {
            // Such as are small.
            Some(rate) => u128::from(rate) * u128::from(delay) / 1_000_000_000 / 256,
            None => MANY.into(),
        };
        (QUEUE + on_their_way.min(10 * u128::from(MANY)) as u64) as u32
    }

    /// The qdisc for a device, if it takes one.
    pub fn qdisc(&self, dev: Dev) -> Option<Request> {
        if self.is_plain() {
            return None;
        }
        // struct tcmsg
        let mut fixed = [0; 20];
        fixed[4..8].copy_from_slice(&dev.to_ne_bytes());
        fixed[12..16].copy_from_slice(&TC_H_ROOT.to_ne_bytes());
        // struct tc_netem_qopt, then attributes.
        let mut options: Vec<u8> = [0, self.limit(), self.loss.unwrap_or(0), 0, 0, 0]
            .iter()
            .flat_map(|n| n.to_ne_bytes())
            .collect();
        if let Some(delay) = self.delay {
            options.extend(attr(TCA_NETEM_LATENCY64, &delay.to_ne_bytes()));
        }
        if let Some(rate) = self.rate {
            // struct tc_netem_rate
            let mut value = [0; 16];
            value[..4].copy_from_slice(&u32::try_from(rate).unwrap_or(u32::MAX).to_ne_bytes());
            options.extend(attr(TCA_NETEM_RATE, &value));
            options.extend(attr(TCA_NETEM_RATE64, &rate.to_ne_bytes()));
        }
        let request = Request::new(RTM_NEWQDISC, NLM_F_CREATE, &fixed)
            .attr(TCA_KIND, b"netem\0")
            .attr(TCA_OPTIONS, &options);
        Some(request)
    }

    /// A request about a device, with the MTU.
    ///
    /// Where it is that of a link, TCP is to send packets that fit, and not many of them as one, of which loss would take
    /// all.
    pub fn link(&self, request: Request) -> Request {
        match self.mtu {
            Some(mtu) => request
                .attr_u32(IFLA_MTU, mtu)
                .attr_u32(IFLA_GSO_MAX_SEGS, 1),
            None => request,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{u32_at, Attrs};

    #[test]
    fn times() {
        assert_eq!(time("20ms"), Ok(20_000_000));
        assert_eq!(time("1.5ms"), Ok(1_500_000));
        assert_eq!(time("0s"), Ok(0));
        assert_eq!(time("250us"), Ok(250_000));
        assert_eq!(time("7ns"), Ok(7));
        assert_eq!(time("3600s"), Ok(3_600_000_000_000));
        for wrong in ["", "20", "ms", "20 ms", "-1ms", "1h", "1.2.3s", "3601s"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn parts() {
        assert_eq!(part("0%"), Ok(0));
        assert_eq!(part("0.1%"), Ok(4_294_967));
        assert_eq!(part("100%"), Ok(u32::MAX));
        for wrong in ["", "%", "1", "100.1%", "-1%", "1 %"] {
            assert!(part(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates() {
        assert_eq!(rate("10mbit"), Ok(1_250_000));
        assert_eq!(rate("2.5Gbit"), Ok(312_500_000));
        assert_eq!(rate("8bit"), Ok(1));
        assert_eq!(rate("100gbit"), Ok(12_500_000_000));
        for wrong in ["", "10", "10mbps", "0mbit", "1001gbit", "-1mbit"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn plain_ones_take_no_qdisc() {
        assert!(Shape::default().qdisc(7).is_none());
        let mtu = Shape {
            mtu: Some(1500),
            ..Shape::default()
        };
        assert!(mtu.qdisc(7).is_none());
    }

    #[test]
    fn what_netem_is_asked_for() {
        let shape = Shape {
            delay: Some(20_000_000),
            loss: Some(42),
            rate: Some(5_000_000_000),
            mtu: None,
        };
        let bytes = shape.qdisc(7).unwrap().finish(1);
        assert_eq!(u32_at(&bytes, 16 + 4), Some(7));
        assert_eq!(u32_at(&bytes, 16 + 12), Some(TC_H_ROOT));
        let attrs = Attrs::read(&bytes[36..]);
        assert_eq!(attrs.get(TCA_KIND), Some(&b"netem\0"[..]));
        let options = attrs.get(TCA_OPTIONS).unwrap();
        assert_eq!(u32_at(options, 0), Some(0));
        assert_eq!(u32_at(options, 4), Some(1000 + 390_625));
        assert_eq!(u32_at(options, 8), Some(42));
        let inner = Attrs::read(&options[24..]);
        let wide = |kind| {
            inner
                .get(kind)
                .map(|v| i64::from_ne_bytes(v.try_into().unwrap()))
        };
        assert_eq!(wide(TCA_NETEM_LATENCY64), Some(20_000_000));
        assert_eq!(wide(TCA_NETEM_RATE64), Some(5_000_000_000));
        assert_eq!(inner.u32(TCA_NETEM_RATE), Some(u32::MAX));
        assert_eq!(inner.get(TCA_NETEM_RATE).map(<[u8]>::len), Some(16));
    }

    #[test]
    fn room_for_what_is_on_its_way() {
        let limit = |delay, rate| {
            let shape = Shape {
                delay,
                rate,
                ..Shape::default()
            };
            shape.limit()
        };
        assert_eq!(limit(None, Some(1_250_000)), 1000);
        assert_eq!(limit(Some(20_000_000), None), 101_000);
        assert_eq!(
            limit(Some(3_600_000_000_000), Some(125_000_000_000)),
            1_001_000
        );
    }

    #[test]
    fn a_link_of_this_mtu() {
        let about = || Request::new(RTM_NEWLINK, 0, &[0; 16]);
        let bytes = Shape::default().link(about()).finish(1);
        assert_eq!(bytes.len(), 32);
        let shape = Shape {
            mtu: Some(1500),
            ..Shape::default()
        };
        let bytes = shape.link(about()).finish(1);
        let attrs = Attrs::read(&bytes[32..]);
        assert_eq!(attrs.u32(IFLA_MTU), Some(1500));
        assert_eq!(attrs.u32(IFLA_GSO_MAX_SEGS), Some(1));
    }
}
