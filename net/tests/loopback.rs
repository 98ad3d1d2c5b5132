// SPDX-License-Identifier: GPL-2.0

//! The shield around IPv6's null routes.

use super::{
    check,
    device::Every,
    probe::{
        self,
        NAME, //
    },
};
use crate::net::{
    bindings,
    context::Rtnl,
    device::AnyDevice,
    notifier::{
        self,
        Event,
        Notifier, //
    },
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// What the notifiers saw: a hexadecimal digit for each call, the last one lowest.
static SEEN: Atomic<u64> = Atomic::new(0);

/// Looks at a device with the priority of a protocol (0), with that of `ip6_route_dev_notify()`
/// (-10), and after it (-20).
struct Watch<const PRIORITY: i32>;

impl<const PRIORITY: i32> Notifier for Watch<PRIORITY> {
    const PRIORITY: i32 = PRIORITY;

    fn notify(event: Event, dev: &AnyDevice, _rtnl: &Rtnl) {
        if dev.downcast::<Every>().is_none() {
            return;
        }
        // SAFETY: The device is live, and RTNL held.
        let flags = unsafe { (*dev.as_raw()).flags };
        let digit = (PRIORITY / -10) as u64
            | if event == Event::Register { 4 } else { 0 }
            | if flags & bindings::net_device_flags_IFF_LOOPBACK != 0 {
                8
            } else {
                0
            };
        SEEN.store(SEEN.load(Relaxed) << (u8::BITS / 2) | digit, Relaxed);
    }
}

#[kunit_tests(rust_lo_loopback)]
#[allow(unsafe_op_in_unsafe_fn)]
mod tests {
    use super::*;

    /// Only that one notifier sees no loopback.
    #[test]
    fn hidden_from_one_notifier() -> Result {
        let links = probe::register::<Every>()?;
        let _first = KBox::pin_init(notifier::Registration::<Watch<0>>::new(), GFP_KERNEL)?;
        let _route = KBox::pin_init(notifier::Registration::<Watch<-10>>::new(), GFP_KERNEL)?;
        let _last = KBox::pin_init(notifier::Registration::<Watch<-20>>::new(), GFP_KERNEL)?;
        SEEN.store(0, Relaxed);
        links.create(NAME, &Rtnl::lock())?;
        check!(SEEN.load(Relaxed), 0xc5e);
        drop(links);
        check!(SEEN.load(Relaxed), 0xc5e_81a);
        Ok(())
    }

    /// A notifier is told of what is there already, and nothing after its end.
    #[test]
    fn notifier_comes_and_goes() -> Result {
        let links = probe::register::<Every>()?;
        links.create(NAME, &Rtnl::lock())?;
        SEEN.store(0, Relaxed);
        let watch = KBox::pin_init(notifier::Registration::<Watch<0>>::new(), GFP_KERNEL)?;
        check!(SEEN.load(Relaxed), 0xc);
        // Ending it tells it that what it knows of goes.
        drop(watch);
        check!(SEEN.load(Relaxed), 0xc8);
        drop(links);
        check!(SEEN.load(Relaxed), 0xc8);
        Ok(())
    }
}
