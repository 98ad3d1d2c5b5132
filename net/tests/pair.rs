// SPDX-License-Identifier: GPL-2.0

//! Devices that are held, pairs of them, carriers, and attributes of a kind's own.

use super::{
    check,
    probe::{
        self,
        NAME, //
    },
};
use crate::net::{
    bindings,
    context::{
        Rtnl,
        XmitContext, //
    },
    device::{
        self,
        Device,
        Registering, //
    },
    info_data::{
        Attribute,
        Info,
        Peer,
        Spec, //
    },
    link,
    link_type::Ethernet,
    pair,
    setup::Setup,
    skbuff::SkBuff,
    stats::Tstats, //
};
use core::ptr;
use kernel::{
    prelude::*,
    sync::rcu, //
};

/// A driver of pairs.
struct Ends;

const PEER: Attribute<Peer> = Attribute::new(3);
const SMALL: Attribute<u32> = Attribute::new(1);
const UNKNOWN: Attribute<u32> = Attribute::new(2);

#[vtable]
impl device::Operations for Ends {
    type Private = u64;
    type LinkType = Ethernet;
    type Stats = Tstats;

    fn setup(dev: &mut Setup<'_, Self>) {
        dev.netif_carrier_off();
    }

    fn init(_dev: &Registering<Self>, _rtnl: &Rtnl) -> impl PinInit<u64, Error> {
        Ok(0x0123_4567_89ab_cdef)
    }

    fn start_xmit(_dev: &Device<Self>, skb: SkBuff<'_>, _ctx: &XmitContext) {
        skb.consume();
    }
}

#[vtable]
impl link::Operations for Ends {
    const KIND: &'static CStr = c"rust_lo_pair";
    type Guard = link::NoGuard;
    type Namespace = ();
    const OPS: link::OpsRef<Self> = {
        static OPS: link::Ops<Ends> = link::Ops::new();
        link::OpsRef::new(&OPS)
    };
    const ATTRIBUTES: &'static [Spec] = &[PEER.spec(), SMALL.spec()];

    fn fill_info(_dev: &Device<Self>, info: &mut Info<'_>, _rtnl: &Rtnl) -> Result {
        info.put(&SMALL, 1)?;
        // Which is refused.
        info.put(&SMALL, 2)
    }
}

fn references<T: device::Operations>(dev: &Device<T>) -> i32 {
    // SAFETY: The device is registered.
    unsafe { bindings::netdev_refcnt_read(dev.as_raw()) }
}

/// Registers the driver with two devices, and calls `test` under RTNL.
fn with_ends(test: impl FnOnce(&Device<Ends>, &Device<Ends>, &Rtnl) -> Result) -> Result {
    let links = probe::register::<Ends>()?;
    {
        let rtnl = Rtnl::lock();
        let one = links.create(NAME, &rtnl)?;
        let other = links.create(c"rust_lo_kunit1", &rtnl)?;
        test(one, other, &rtnl)?;
    }
    // Waits until they are gone.
    drop(links);
    check!(!probe::exists(NAME, &Rtnl::lock()));
    Ok(())
}

#[kunit_tests(rust_lo_pair)]
#[allow(unsafe_op_in_unsafe_fn)]
mod tests {
    use super::*;

    /// A reference is taken, goes with the value, and is given back once.
    #[test]
    fn held() -> Result {
        with_ends(|dev, _, rtnl| {
            let before = references(dev);
            let one = dev.hold(rtnl);
            check!(references(dev), before + 1);
            let boxed = KBox::new(dev.hold(rtnl), GFP_KERNEL)?;
            check!(references(dev), before + 2);
            check!(one.registered(rtnl).is_some_and(|held| ptr::eq(held, dev)));
            check!(*boxed.private(), 0x0123_4567_89ab_cdef);
            drop(one);
            drop(boxed);
            check!(references(dev), before);
            Ok(())
        })
    }

    /// Of a device that was unregistered the private data can be had, and nothing else.
    #[test]
    fn held_past_its_end() -> Result {
        with_ends(|dev, _, rtnl| {
            let held = dev.hold(rtnl);
            // SAFETY: It is registered, and RTNL is held; `dev` is not used any more.
            unsafe { bindings::unregister_netdevice_queue(dev.as_raw(), ptr::null_mut()) };
            check!(held.registered(rtnl).is_none());
            check!(*held.private(), 0x0123_4567_89ab_cdef);
            Ok(())
        })
    }

    /// Each end holds the other one, until one of them is deleted.
    #[test]
    fn tied_and_parted() -> Result {
        with_ends(|one, other, rtnl| {
            let before = (references(one), references(other));
            check!(one.peer_rtnl(rtnl).is_none());
            // SAFETY: Both are registered and have no peer.
            unsafe { pair::tie(one, other, rtnl) };
            check!(
                (references(one), references(other)),
                (before.0 + 1, before.1 + 1)
            );
            for (dev, peer) in [(one, other), (other, one)] {
                let guard = rcu::read_lock();
                // SAFETY: The guard stands for it.
                let rcu = unsafe { crate::net::context::RcuRead::assume() };
                check!(dev.peer(&rcu).is_some_and(|found| ptr::eq(found, peer)));
                drop(guard);
                check!(dev
                    .peer_rtnl(rtnl)
                    .is_some_and(|found| ptr::eq(found, peer)));
                // SAFETY: The device is registered.
                let index = unsafe { pair::get_iflink::<Ends>(dev.as_raw()) };
                check!(index as u32, peer.ifindex());
            }

            let mut head: bindings::list_head = pin_init::zeroed();
            let list = &raw mut head;
            // SAFETY: An empty list; the devices are registered, RTNL is held, and what is in the
            // list is unregistered here.
            unsafe {
                (*list).next = list;
                (*list).prev = list;
                pair::unregister_queue(other, list, rtnl);
            }
            check!(one.peer_rtnl(rtnl).is_none());
            check!(other.peer_rtnl(rtnl).is_none());
            check!((references(one), references(other)), before);
            // SAFETY: As above.
            unsafe { bindings::unregister_netdevice_many(list) };
            check!(!probe::exists(NAME, rtnl));
            check!(!probe::exists(c"rust_lo_kunit1", rtnl));
            Ok(())
        })
    }

    /// A driver that goes deletes pairs as well.
    #[test]
    fn deleted_as_a_pair() -> Result {
        with_ends(|one, other, rtnl| {
            // SAFETY: Both are registered and have no peer.
            unsafe { pair::tie(one, other, rtnl) };
            Ok(())
        })
    }

    /// The carrier is off from the beginning, and as it was said last.
    #[test]
    fn carrier() -> Result {
        with_ends(|dev, other, rtnl| {
            check!(!dev.netif_carrier_ok());
            dev.netif_carrier_on(rtnl);
            check!(dev.netif_carrier_ok());
            check!(!other.netif_carrier_ok());
            dev.netif_carrier_off(rtnl);
            check!(!dev.netif_carrier_ok());
            Ok(())
        })
    }

    /// What rtnetlink is told of the attributes.
    #[test]
    fn attributes() -> Result {
        type Ops = link::Ops<Ends>;
        const LEN: u16 = size_of::<bindings::ifinfomsg>() as u16;

        let raw = <Ends as link::Operations>::OPS.get().as_raw();
        // SAFETY: A `static`; the policy has an entry for each number up to the highest.
        let (maxtype, peer_type, policy) = unsafe {
            let policy = core::slice::from_raw_parts((*raw).policy, 4);
            ((*raw).maxtype, (*raw).peer_type, policy)
        };
        check!((maxtype, peer_type, Ops::ROOM), (3, 3, 8));
        check!(
            [0, 1, 2, 3].map(|n: usize| (u32::from(policy[n].type_), policy[n].len)),
            [
                (bindings::NLA_REJECT, 0),
                (bindings::NLA_U32, 0),
                (bindings::NLA_REJECT, 0),
                (bindings::NLA_UNSPEC, LEN),
            ]
        );
        Ok(())
    }

    /// An answer takes each attribute of the kind once, for which there is room.
    #[test]
    fn told_once() -> Result {
        // SAFETY: Process context.
        let skb = unsafe { bindings::__alloc_skb(64, kernel::bindings::GFP_KERNEL, 0, -1) };
        if skb.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: The packet is ours, and has more room than is needed.
        let mut info = unsafe { Info::from_raw(skb, <Ends as link::Operations>::ATTRIBUTES) };
        let answers = [
            info.put(&UNKNOWN, 1),
            info.put(&SMALL, 0x0102_0304),
            info.put(&SMALL, 2),
        ];
        // SAFETY: As above; nobody looks at it any more.
        let (len, attribute) = unsafe {
            let header = (*skb).data.cast::<bindings::nlattr>();
            let (header, value) = (header.read(), header.add(1).cast::<u32>().read());
            let len = (*skb).len;
            bindings::dev_kfree_skb_any_reason(skb, bindings::skb_drop_reason_SKB_CONSUMED);
            (len, (header.nla_len, header.nla_type, value))
        };
        check!(
            answers.map(|answer| answer.err()),
            [Some(EINVAL), None, Some(EINVAL)]
        );
        check!(len, link::Ops::<Ends>::ROOM as u32);
        check!(attribute, (8, 1, 0x0102_0304));
        Ok(())
    }

    /// What the driver fails with is nothing to the core; what it has put stands. That there is no
    /// room is.
    #[test]
    fn told_in_part() -> Result {
        with_ends(|dev, _, _| {
            for (room, answer) in [(64, (0, 8)), (4, (EMSGSIZE.to_errno(), 0))] {
                // SAFETY: Process context.
                let skb = unsafe { bindings::__alloc_skb(64, kernel::bindings::GFP_KERNEL, 0, -1) };
                if skb.is_null() {
                    return Err(ENOMEM);
                }
                // SAFETY: The packet is ours, and nobody looks at it any more after this.
                let told = unsafe {
                    // No more room than that.
                    let tail = (*skb).end - room;
                    bindings::skb_put(skb, tail);
                    let result = link::Ops::<Ends>::fill_info(skb, dev.as_raw());
                    let len = (*skb).len - tail;
                    bindings::dev_kfree_skb_any_reason(skb, bindings::skb_drop_reason_SKB_CONSUMED);
                    (result, len)
                };
                check!(told, answer);
            }
            Ok(())
        })
    }
}
