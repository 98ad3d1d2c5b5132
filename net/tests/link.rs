// SPDX-License-Identifier: GPL-2.0

//! Kinds of links: the life of a driver and of its devices, whatever fails.

use super::{
    check,
    probe::{
        self,
        Guard,
        Part,
        Probe,
        Step::{
            self,
            *, //
        },
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
    flags::{
        Feature,
        InterfaceFlag, //
    },
    link,
    link_type::Ethernet,
    setup::Setup,
    skbuff::SkBuff,
    stats::NoStats, //
};
use core::ptr;
use kernel::{
    error::to_result,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::Opaque,
    InPlaceModule, //
};

/// Another driver that claims the same kind.
struct Twin;

/// Whether devices of [`Twin`] are made without a hardware address.
static NO_ADDRESS: Atomic<i32> = Atomic::new(0);

#[vtable]
impl device::Operations for Twin {
    type Private = ();
    type LinkType = Ethernet;
    type Stats = NoStats;

    fn setup(dev: &mut Setup<'_, Self>) {
        if NO_ADDRESS.load(Relaxed) == 0 {
            dev.eth_hw_addr_random();
        }
        dev.clear_flags(InterfaceFlag::Multicast)
            .hw_enc_features(Feature::HwChecksum);
    }

    fn init(_dev: &Registering<Self>, _rtnl: &Rtnl) -> impl PinInit<(), Error> {
        Ok(())
    }

    fn validate_addr(dev: &Device<Self>, rtnl: &Rtnl) -> Result {
        dev.eth_validate_addr(rtnl)
    }

    fn start_xmit(_dev: &Device<Self>, skb: SkBuff<'_>, _ctx: &XmitContext) {
        skb.consume();
    }
}

#[vtable]
impl link::Operations for Twin {
    const KIND: &'static CStr = <Probe as link::Operations>::KIND;
    type Guard = Guard;
    type Namespace = ();

    const OPS: link::OpsRef<Self> = {
        static OPS: link::Ops<Twin> = link::Ops::new();
        link::OpsRef::new(&OPS)
    };
}

/// A notifier that refuses `EVENT` to devices of [`Probe`].
#[pin_data(PinnedDrop)]
struct Veto<const EVENT: u32> {
    #[pin]
    block: Opaque<bindings::notifier_block>,
}

impl<const EVENT: u32> Veto<EVENT> {
    fn new() -> Result<Pin<KBox<Self>>> {
        KBox::try_pin_init(
            try_pin_init!(Self {
                block <- Opaque::try_ffi_init(|block: *mut bindings::notifier_block| {
                    // SAFETY: `block` is valid for writes.
                    unsafe {
                        block.write(bindings::notifier_block {
                            notifier_call: Some(Self::call),
                            next: core::ptr::null_mut(),
                            priority: 0,
                        });
                    }
                    // SAFETY: The block is complete and unregistered before it goes.
                    to_result(unsafe { bindings::register_netdevice_notifier(block) })
                }),
            }? Error),
            GFP_KERNEL,
        )
    }

    /// # Safety
    ///
    /// To be called by the core as `notifier_call` of a netdevice notifier.
    unsafe extern "C" fn call(
        _block: *mut bindings::notifier_block,
        event: c_ulong,
        info: *mut c_void,
    ) -> c_int {
        // SAFETY: The core hands over a `netdev_notifier_info` of a live device.
        let ops = unsafe { (*(*info.cast::<bindings::netdev_notifier_info>()).dev).rtnl_link_ops };
        let ours = <Probe as link::Operations>::OPS.get().as_raw();
        if event == EVENT as c_ulong && core::ptr::eq(ops, ours) {
            // `notifier_from_errno(-EPERM)`
            return (bindings::NOTIFY_STOP_MASK | bindings::NOTIFY_OK) as c_int - EPERM.to_errno();
        }
        bindings::NOTIFY_DONE as c_int
    }
}

#[pinned_drop]
impl<const EVENT: u32> PinnedDrop for Veto<EVENT> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: It was registered when this was made.
        unsafe { bindings::unregister_netdevice_notifier(self.block.get()) };
    }
}

/// Makes a device whose registration fails at `step`, after `ndo_init`, and sees that nothing is
/// left of it.
fn registration_fails(step: Step, expected: Error) -> Result {
    probe::begin(Some(step));
    let links = probe::links()?;
    let rtnl = Rtnl::lock();
    check!(links.create(NAME, &rtnl).err(), Some(expected));
    check!(
        probe::log(),
        probe::steps(&[Guard, Setup, First, Second, DropSecond, DropFirst])
    );
    check!(!probe::exists(NAME, &rtnl));
    check!(probe::exists(c"lo", &rtnl));
    probe::begin(None);
    check!(links.create(NAME, &rtnl).is_ok());
    check!(probe::log(), probe::steps(&[Setup, First, Second]));
    Ok(())
}

/// Makes a device with `veto` in place, and sees that nothing is left of it.
fn refused<const EVENT: u32>(expected: &[Step]) -> Result {
    probe::begin(None);
    let links = probe::links()?;
    {
        let _veto = Veto::<EVENT>::new()?;
        let rtnl = Rtnl::lock();
        check!(links.create(NAME, &rtnl).err(), Some(EPERM));
    }
    check!(probe::log(), probe::steps(expected));
    let rtnl = Rtnl::lock();
    check!(!probe::exists(NAME, &rtnl));
    check!(links.create(NAME, &rtnl).is_ok());
    Ok(())
}

#[kunit_tests(rust_lo_link)]
#[allow(unsafe_op_in_unsafe_fn)]
mod tests {
    use super::*;

    /// Everything is made once and dropped once, in the right order.
    #[test]
    fn life_of_a_device() -> Result {
        probe::begin(None);
        let links = probe::links()?;
        {
            let rtnl = Rtnl::lock();
            let dev = links.create(NAME, &rtnl)?;
            check!(probe::exists(NAME, &rtnl));
            links.open(dev, &rtnl)?;
        }
        drop(links);
        check!(
            probe::log(),
            probe::steps(&[
                Guard, Setup, First, Second, Open, Stop, DropSecond, DropFirst, Unguard
            ])
        );
        check!(!probe::exists(NAME, &Rtnl::lock()));
        Ok(())
    }

    /// Private data stays where it was made, and is not made before it is asked for.
    #[test]
    fn private_data_is_pinned() -> Result {
        probe::with_device(|dev, _| {
            let both: [&Part; 2] = [&dev.private().first, &dev.private().second];
            check!(both.iter().all(|part| part.in_place()));
            Ok(())
        })
    }

    /// Several devices have private data of their own.
    #[test]
    fn two_devices() -> Result {
        probe::begin(None);
        let links = probe::links()?;
        let rtnl = Rtnl::lock();
        let one = links.create(NAME, &rtnl)?;
        let other = links.create(c"rust_lo_kunit1", &rtnl)?;
        check!(!core::ptr::eq(one.private(), other.private()));
        check!(other.private().first.in_place());
        drop(rtnl);
        drop(links);
        check!(
            probe::log(),
            probe::steps(&[
                Guard, Setup, First, Second, Setup, First, Second, DropSecond, DropFirst,
                DropSecond, DropFirst, Unguard
            ])
        );
        Ok(())
    }

    /// The first part of the private data fails: nothing is there to be dropped.
    #[test]
    fn init_fails_at_first() -> Result {
        probe::begin(Some(First));
        let links = probe::links()?;
        check!(links.create(NAME, &Rtnl::lock()).err(), Some(EBUSY));
        check!(!probe::exists(NAME, &Rtnl::lock()));
        drop(links);
        check!(probe::log(), probe::steps(&[Guard, Setup, Unguard]));
        Ok(())
    }

    /// The second part fails: the first one is dropped.
    #[test]
    fn init_fails_halfway() -> Result {
        probe::begin(Some(Second));
        let links = probe::links()?;
        check!(links.create(NAME, &Rtnl::lock()).err(), Some(EBUSY));
        drop(links);
        check!(
            probe::log(),
            probe::steps(&[Guard, Setup, First, DropFirst, Unguard])
        );
        Ok(())
    }

    /// The core cannot allocate counters, right after `ndo_init`.
    #[test]
    fn no_counters() -> Result {
        registration_fails(Counters, EINVAL)
    }

    /// The index that the device asks for is that of `lo`; there are counters by then.
    #[test]
    fn index_is_taken() -> Result {
        registration_fails(Index, EBUSY)
    }

    /// Somebody refuses the device when it has its index.
    #[test]
    fn refused_at_post_init() -> Result {
        refused::<{ bindings::netdev_cmd_NETDEV_POST_INIT }>(&[
            Guard, Setup, First, Second, DropSecond, DropFirst,
        ])
    }

    /// Somebody refuses the device when it is already in the lists.
    #[test]
    fn refused_at_register() -> Result {
        refused::<{ bindings::netdev_cmd_NETDEV_REGISTER }>(&[
            Guard, Setup, First, Second, DropSecond, DropFirst,
        ])
    }

    /// A device that cannot go up is there, and goes when the driver goes.
    #[test]
    fn open_fails() -> Result {
        probe::begin(Some(Open));
        let links = probe::links()?;
        {
            let rtnl = Rtnl::lock();
            let dev = links.create(NAME, &rtnl)?;
            check!(links.open(dev, &rtnl).err(), Some(EBUSY));
            check!(probe::exists(NAME, &rtnl));
        }
        drop(links);
        check!(
            probe::log(),
            probe::steps(&[Guard, Setup, First, Second, DropSecond, DropFirst, Unguard])
        );
        Ok(())
    }

    /// Names that are taken or impossible.
    #[test]
    fn names() -> Result {
        probe::begin(None);
        let links = probe::links()?;
        let rtnl = Rtnl::lock();
        links.create(NAME, &rtnl)?;
        let before = probe::steps(&[Guard, Setup, First, Second]);
        check!(probe::log(), before);
        check!(links.create(NAME, &rtnl).err(), Some(EEXIST));
        check!(links.create(c"lo", &rtnl).err(), Some(EEXIST));
        check!(links.create(c"a/b", &rtnl).err(), Some(EINVAL));
        check!(links.create(c"", &rtnl).err(), Some(EINVAL));
        check!(probe::exists(c"lo", &rtnl));
        // Each of them was set up, and never got private data.
        check!(probe::log(), before << 16 | probe::steps(&[Setup; 4]));
        // Too long for a device to be made at all.
        check!(links.create(c"0123456789abcdef", &rtnl).err(), Some(EINVAL));
        check!(probe::log(), before << 16 | probe::steps(&[Setup; 4]));
        links.create(c"0123456789abcde", &rtnl)?;
        Ok(())
    }

    /// The same operations cannot be registered twice, and the first registration works on.
    #[test]
    fn registered_once() -> Result {
        probe::begin(None);
        let links = probe::links()?;
        check!(probe::links().err(), Some(EEXIST));
        links.create(NAME, &Rtnl::lock())?;
        drop(links);
        check!(
            probe::log(),
            probe::steps(&[Guard, Setup, First, Second, DropSecond, DropFirst, Unguard])
        );
        drop(probe::links()?);
        Ok(())
    }

    /// The module's own type is made once, whoever asks for another one.
    #[test]
    fn module_made_once() -> Result {
        // SAFETY: Of the module there is only the address, at which nobody looks.
        static NOBODY: ThisModule = unsafe { ThisModule::from_ptr(ptr::null_mut()) };

        let init = <crate::LocalModule as InPlaceModule>::init(&NOBODY);
        check!(KBox::pin_init(init, GFP_KERNEL).err(), Some(EBUSY));
        Ok(())
    }

    /// A kind that is taken.
    #[test]
    fn kind_is_taken() -> Result {
        probe::begin(None);
        let links = probe::links()?;
        for _ in 0..2 {
            let twin = probe::register::<Twin>();
            check!(twin.err(), Some(EEXIST));
        }
        links.create(NAME, &Rtnl::lock())?;
        drop(links);
        let twin = probe::register::<Twin>()?;
        check!(probe::links().err(), Some(EEXIST));
        drop(twin);
        Ok(())
    }

    /// An Ethernet device is as `ether_setup()` has it, but for what the driver changes.
    #[test]
    fn ethernet() -> Result {
        const BROADCAST: u32 = bindings::net_device_flags_IFF_BROADCAST;
        const SHARING: u32 = bindings::netdev_priv_flags_IFF_TX_SKB_SHARING;
        const HW_CSUM: u64 = 1 << bindings::NETIF_F_HW_CSUM_BIT;

        let links = probe::register::<Twin>()?;
        let rtnl = Rtnl::lock();
        let raw = links.create(NAME, &rtnl)?.as_raw();
        // SAFETY: The device is live, and all writers of these wait for RTNL.
        unsafe {
            check!((*raw).type_, bindings::ARPHRD_ETHER as u16);
            check!(
                ((*raw).mtu, (*raw).min_mtu, (*raw).max_mtu),
                (1500, 68, 1500)
            );
            check!((*raw).hard_header_len, 14);
            check!(((*raw).min_header_len, (*raw).addr_len), (14, 6));
            check!(((*raw).flags, (*raw).tx_queue_len), (BROADCAST, 1000));
            check!((*raw).broadcast[..6], [0xff; 6]);
            check!((*raw).hw_enc_features & HW_CSUM, HW_CSUM);
            let word = (*raw).__bindgen_anon_1.priv_flags_fast;
            check!(word.priv_flags() as u32 & SHARING, 0);
            check!((*raw).addr_assign_type, bindings::NET_ADDR_RANDOM as u8);
            // Of nobody's, and of one host.
            check!(*(*raw).dev_addr & 0x03, 0x02);
        }
        Ok(())
    }

    /// A device goes up only with an address that its driver accepts.
    #[test]
    fn address_is_validated() -> Result {
        let links = probe::register::<Twin>()?;
        let rtnl = Rtnl::lock();
        NO_ADDRESS.store(1, Relaxed);
        let dev = links.create(NAME, &rtnl);
        NO_ADDRESS.store(0, Relaxed);
        let dev = dev?;
        let refused = Error::from_errno(-(bindings::EADDRNOTAVAIL as c_int));
        check!(links.open(dev, &rtnl).err(), Some(refused));
        check!(!dev.is_running());
        let other = links.create(c"rust_lo_kunit1", &rtnl)?;
        check!(links.open(other, &rtnl).is_ok());
        check!(other.is_running());
        Ok(())
    }

    /// Without its guard a driver is not registered.
    #[test]
    fn guard_fails() -> Result {
        probe::begin(Some(Step::Guard));
        check!(probe::links().err(), Some(EBUSY));
        check!(probe::log(), 0);
        probe::begin(None);
        drop(probe::links()?);
        Ok(())
    }

    /// Devices can be made, opened and deleted again and again.
    #[test]
    fn again_and_again() -> Result {
        for _ in 0..20 {
            probe::with_device(|_, _| Ok(()))?;
            check!(
                probe::log(),
                probe::steps(&[
                    Guard, Setup, First, Second, Open, Stop, DropSecond, DropFirst, Unguard
                ])
            );
        }
        Ok(())
    }
}
