// SPDX-License-Identifier: GPL-2.0

//! Frames of XDP: each goes once, or comes back, and the core is told how many have gone.

use super::{
    check,
    driver::Own,
    probe,
    skbuff::in_xmit, //
};
use crate::net::{
    bindings,
    context::Rtnl,
    device::AnyDevice,
    skbuff::{
        NoHeader,
        RxSkBuff, //
    },
    xdp::XdpFrame, //
};
use core::ptr;
use kernel::{
    prelude::*,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

const PAGE_SIZE: u32 = kernel::page::PAGE_SIZE as u32;
/// Where in its page a frame begins, as with a driver of hardware's.
const HEADROOM: u32 = 256;

/// A page of which the test keeps a reference.
struct Page(*mut u8);

impl Page {
    fn new() -> Result<Self> {
        // SAFETY: The arguments are valid.
        let page = unsafe { bindings::get_free_pages_noprof(kernel::bindings::GFP_KERNEL, 0) };
        if page == 0 {
            return Err(ENOMEM);
        }
        Ok(Self(page as *mut u8))
    }

    fn page(&self) -> *mut bindings::page {
        // SAFETY: It is in the linear mapping.
        unsafe { bindings::virt_to_page(self.0.cast()) }
    }

    /// One for whoever frees the frame.
    fn reference(&self) {
        // SAFETY: The test has one.
        unsafe { bindings::get_page(self.page()) };
    }

    /// How many others have one, when there was time for a backlog to be worked off.
    fn users(&self, wanted: c_int) -> c_int {
        let mut users = -1;
        for _ in 0..1000 {
            // SAFETY: The test has a reference.
            users = unsafe { bindings::page_count(self.page()) } - 1;
            if users == wanted {
                break;
            }
            fsleep(Delta::from_millis(1));
        }
        users
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: The reference of the test's.
        unsafe { bindings::free_pages(self.0 as usize, 0) };
    }
}

/// A frame, and the pages that it is made of: its first part, and fragments.
struct Frame(KVec<Page>);

impl Frame {
    /// A frame of `len` bytes, and of fragments with as many each.
    fn new(len: u32, fragments: &[u32]) -> Result<Self> {
        Self::to([2, 0, 0, 0, 0, 1], len, fragments)
    }

    /// The same for an address: one of a protocol that nobody speaks.
    fn to(address: [u8; 6], len: u32, fragments: &[u32]) -> Result<Self> {
        let mut pages = KVec::new();
        let first = Page::new()?;
        first.reference();
        // SAFETY: In a page there is room for it, and for what is behind.
        let frame = unsafe { &mut *first.0.cast::<bindings::xdp_frame>() };
        // Of memory that is freed as a page is.
        *frame = pin_init::zeroed();
        // SAFETY: In the page.
        let data = unsafe { first.0.add(HEADROOM as usize) };
        // SAFETY: As above. Behind that is what a new page holds.
        unsafe {
            data.write_bytes(0, 60);
            data.cast::<[u8; 6]>().write(address);
            data.add(12).cast::<[u8; 2]>().write([0x88, 0xb5]);
        }
        frame.data = data.cast();
        frame.len = len;
        frame.headroom = HEADROOM - size_of::<bindings::xdp_frame>() as u32;
        frame.frame_sz = PAGE_SIZE;
        pages.push(first, GFP_KERNEL)?;
        if !fragments.is_empty() {
            frame.flags = bindings::xdp_buff_flags_XDP_FLAGS_HAS_FRAGS;
            // SAFETY: The frame is valid, but for this.
            let info = unsafe { &mut *bindings::xdp_get_shared_info_from_frame(frame) };
            info.nr_frags = fragments.len() as u8;
            info.__bindgen_anon_2.__bindgen_anon_1 =
                bindings::skb_shared_info__bindgen_ty_2__bindgen_ty_1 {
                    xdp_frags_size: fragments.iter().sum(),
                    xdp_frags_truesize: 0,
                };
            for (i, len) in fragments.iter().enumerate() {
                let page = Page::new()?;
                page.reference();
                // SAFETY: There is room for as many.
                unsafe {
                    bindings::__skb_fill_page_desc_noacc(
                        info,
                        i as c_int,
                        page.page(),
                        0,
                        *len as c_int,
                    );
                }
                pages.push(page, GFP_KERNEL)?;
            }
        }
        Ok(Self(pages))
    }

    fn as_raw(&self) -> *mut bindings::xdp_frame {
        self.0[0].0.cast()
    }

    /// To be given away.
    fn owned(&self) -> XdpFrame<'static> {
        // SAFETY: It is valid, and given up: the pages stay, by the references of the test's.
        unsafe { XdpFrame::from_raw(self.as_raw()) }
    }

    /// Frees it, which is the caller's.
    fn free(&self) {
        // SAFETY: It is valid, and nobody else's.
        unsafe { bindings::xdp_return_frame(self.as_raw()) };
    }

    /// Whether each of its pages has so many users.
    fn users(&self, wanted: c_int) -> bool {
        self.0.iter().all(|page| page.users(wanted) == wanted)
    }
}

fn frames(n: usize) -> Result<KVec<Frame>> {
    let mut frames = KVec::new();
    for _ in 0..n {
        frames.push(Frame::new(60, &[])?, GFP_KERNEL)?;
    }
    Ok(frames)
}

/// Hands frames over as the core does. What it has afterwards is in `left`.
fn xmit(
    dev: &AnyDevice,
    frames: &[Frame],
    flags: u32,
    left: &mut KVec<*mut bindings::xdp_frame>,
) -> Result<c_int> {
    left.clear();
    for frame in frames {
        left.push(frame.as_raw(), GFP_KERNEL)?;
    }
    // SAFETY: The device was set up, which set its operations.
    let xdp_xmit = unsafe { (*(*dev.as_raw()).netdev_ops).ndo_xdp_xmit }.ok_or(EINVAL)?;
    // SAFETY: They are handed over, in the context of a transmit.
    let sent = in_xmit(|_| unsafe {
        xdp_xmit(
            dev.as_raw(),
            frames.len() as c_int,
            left.as_mut_ptr(),
            flags,
        )
    });
    for _ in 0..sent {
        left.remove(0).map_err(|_| EINVAL)?;
    }
    Ok(sent)
}

/// A frame that is handed over comes back as it was.
fn refused(dev: &AnyDevice, frame: &Frame, flags: u32, wanted: c_int) -> Result {
    let mut left = KVec::new();
    check!(
        xmit(dev, core::slice::from_ref(frame), flags, &mut left)?,
        wanted
    );
    check!(left[0], frame.as_raw());
    check!(frame.users(1));
    Ok(())
}

/// One that is handed over is taken, and freed once.
fn accepted(dev: &AnyDevice, frame: &Frame) -> Result {
    let mut left = KVec::new();
    check!(xmit(dev, core::slice::from_ref(frame), 0, &mut left)?, 1);
    check!(frame.users(0));
    Ok(())
}

/// Calls `look` with the packet that `dev` makes of a frame.
fn received<R>(
    frame: &Frame,
    look: impl FnOnce(&mut RxSkBuff<'_>, *const bindings::sk_buff) -> R,
) -> Result<R> {
    let mut result = Err(EINVAL);
    probe::with_device(|dev, _| {
        match frame.owned().build_skb(dev) {
            Ok(mut skb) => {
                // SAFETY: Transparent wrappers of a pointer.
                let raw = unsafe {
                    ptr::from_ref(&skb)
                        .cast::<*const bindings::sk_buff>()
                        .read()
                };
                result = Ok(look(&mut skb, raw));
                skb.consume();
            }
            Err((frame, _)) => {
                frame.into_raw();
            }
        }
        Ok(())
    })?;
    result
}

#[kunit_tests(rust_lo_xdp)]
#[allow(unsafe_op_in_unsafe_fn)]
mod tests {
    use super::*;

    /// Whichever come back, the core is told of the others, and finds those behind them.
    #[test]
    fn any_may_come_back() -> Result {
        const N: usize = 5;

        probe::with_device(|dev, _| {
            for which in 0..1u64 << N {
                let frames = frames(N)?;
                let mut left = KVec::new();
                probe::refuse(which);
                let sent = xmit(dev, &frames, 0, &mut left)?;
                check!((which, sent as u32), (which, N as u32 - which.count_ones()));
                for (i, frame) in frames.iter().enumerate() {
                    let back = which >> i & 1 != 0;
                    check!((which, left.contains(&frame.as_raw())), (which, back));
                    check!(frame.users(c_int::from(back)));
                    if back {
                        frame.free();
                        check!(frame.users(0));
                    }
                }
            }
            // Of 32 times 5 the half.
            check!(dev.lstats().packets, 80);
            Ok(())
        })
    }

    /// Of the flags there is one, which asks for nothing here.
    #[test]
    fn flags() -> Result {
        probe::with_device(|dev, _| {
            let frame = Frame::new(60, &[])?;
            for flags in [2, 3, 1 << 31] {
                refused(dev, &frame, flags, EINVAL.to_errno())?;
            }
            let mut left = KVec::new();
            check!(xmit(dev, &[frame], 1, &mut left)?, 1);
            Ok(())
        })
    }

    /// What a driver can do is what the core offers to programs.
    #[test]
    fn features() -> Result {
        probe::with_device(|dev, _| {
            // SAFETY: The device is registered.
            let features = unsafe { (*dev.as_raw()).xdp_features };
            check!(
                features,
                bindings::netdev_xdp_act_NETDEV_XDP_ACT_NDO_XMIT
                    | bindings::netdev_xdp_act_NETDEV_XDP_ACT_NDO_XMIT_SG
            );
            Ok(())
        })
    }

    /// A frame without a header in its first part comes back; one with nothing else is good.
    #[test]
    fn too_short() -> Result {
        probe::with_device(|dev, _| {
            for (len, fragments) in [(0, &[][..]), (13, &[]), (13, &[60])] {
                let frame = Frame::new(len, fragments)?;
                let why = match frame.owned().build_skb(dev) {
                    Ok(skb) => {
                        skb.consume();
                        None
                    }
                    Err((frame, why)) => {
                        frame.into_raw();
                        Some(why)
                    }
                };
                check!((len, why), (len, Some(NoHeader::TooShort)));
                check!(frame.users(1));
                frame.free();
                check!(frame.users(0));
            }
            accepted(dev, &Frame::new(14, &[])?)
        })
    }

    /// What can be read of a frame is in its packet, and is freed with it.
    #[test]
    fn fragments() -> Result {
        for (fragments, len) in [
            (&[][..], 60),
            (&[1000][..], 1060),
            (&[1000, 4096, 1][..], 5157),
        ] {
            let frame = Frame::new(60, fragments)?;
            let owned = frame.owned();
            let found = owned.len();
            owned.into_raw();
            check!(found, len);
            let (rest, parts) = received(&frame, |skb, raw| {
                // SAFETY: `skb` owns the packet.
                let parts = unsafe { (*bindings::skb_shinfo(raw)).nr_frags };
                (skb.len(), usize::from(parts))
            })?;
            check!((rest, parts), (len - 14, fragments.len()));
            check!(frame.users(0));
        }
        Ok(())
    }

    /// What is for another host is for this one if the driver says so, and what is for many stays.
    #[test]
    fn for_whom() -> Result {
        for (address, before, after) in [
            ([0; 6], bindings::PACKET_HOST, bindings::PACKET_HOST),
            (
                [2, 0, 0, 0, 0, 1],
                bindings::PACKET_OTHERHOST,
                bindings::PACKET_HOST,
            ),
            (
                [1, 0, 0x5e, 0, 0, 1],
                bindings::PACKET_MULTICAST,
                bindings::PACKET_MULTICAST,
            ),
            // A loopback has no broadcast address.
            (
                [0xff; 6],
                bindings::PACKET_MULTICAST,
                bindings::PACKET_MULTICAST,
            ),
        ] {
            let frame = Frame::to(address, 60, &[])?;
            let found = received(&frame, |skb, raw| {
                // SAFETY: `skb` owns the packet.
                let headers = || unsafe { (*raw).__bindgen_anon_4.headers.as_ref() };
                let protocol = headers().protocol;
                let first = u32::from(headers().pkt_type());
                skb.accept();
                (protocol, first, u32::from(headers().pkt_type()))
            })?;
            check!(found, (0x88b5u16.to_be(), before, after));
            check!(frame.users(0));
        }
        Ok(())
    }

    /// Without memory for the packet the frame comes back as it was.
    #[test]
    fn no_memory() -> Result {
        let rtnl = Rtnl::lock();
        let own = Own::new(&rtnl)?;
        let frame = Frame::new(60, &[])?;
        let mut left = KVec::new();
        left.push(frame.as_raw(), GFP_KERNEL)?;
        // SAFETY: As in `xmit`.
        let xdp_xmit = unsafe { (*(*own.device().as_raw()).netdev_ops).ndo_xdp_xmit };
        let xdp_xmit = xdp_xmit.ok_or(EINVAL)?;
        let sent = in_xmit(|_| {
            // SAFETY: The next allocation of this task's fails, which is the one wanted.
            if !unsafe { bindings::fail_nth(1) } {
                return None;
            }
            // SAFETY: As in `xmit`.
            let sent = unsafe { xdp_xmit(own.device().as_raw(), 1, left.as_mut_ptr(), 0) };
            // SAFETY: No further ones.
            unsafe { bindings::fail_nth(0) };
            Some(sent)
        });
        if let Some(sent) = sent {
            check!(sent, 0);
            check!(left[0], frame.as_raw());
            check!(frame.users(1));
            check!(own.drops(), [0, 0, 1]);
            check!(own.stats().tx_dropped, 1);
        }
        accepted(own.device(), &frame)?;
        Ok(())
    }

    /// The driver: a frame of its MTU is received, with its header and fragments, a longer one comes
    /// back. Both are counted.
    #[test]
    fn driver_mtu() -> Result {
        let rtnl = Rtnl::lock();
        let own = Own::new(&rtnl)?;
        own.device().set_mtu(1500, &rtnl);
        for (len, fragments, passes) in [
            (1514, &[][..], true),
            (1515, &[], false),
            (1518, &[], false),
            (514, &[1000], true),
            (514, &[1000, 1], false),
            (13, &[], false),
        ] {
            let frame = Frame::new(len, fragments)?;
            if passes {
                accepted(own.device(), &frame)?;
            } else {
                refused(own.device(), &frame, 0, 0)?;
                frame.free();
            }
        }
        check!(own.drops(), [0, 1, 0]);
        check!(own.device().private().drops.too_big.get(), 3);
        let stats = own.stats();
        check!(stats.tx_dropped, 4);
        check!((stats.tx_packets, stats.tx_bytes), (2, 3000));
        check!((stats.rx_packets, stats.rx_bytes), (2, 3000));
        Ok(())
    }

    /// A device that is down takes nothing.
    #[test]
    fn driver_down() -> Result {
        let rtnl = Rtnl::lock();
        let own = Own::down(&rtnl)?;
        let frame = Frame::new(60, &[])?;
        refused(own.device(), &frame, 0, -(bindings::ENETDOWN as c_int))?;
        frame.free();
        check!(own.stats().rx_dropped, 0);
        Ok(())
    }

    /// What the backlog refuses is gone, as a packet: it must not come back.
    #[test]
    fn driver_backlog() -> Result {
        /// `net.core.netdev_max_backlog` is 1000.
        const N: usize = 1100;

        let rtnl = Rtnl::lock();
        let own = Own::new(&rtnl)?;
        let frames = frames(N)?;
        let mut left = KVec::new();
        check!(xmit(own.device(), &frames, 0, &mut left)?, N as c_int);
        for frame in &frames {
            check!(frame.users(0));
        }
        let stats = own.stats();
        check!(stats.rx_packets > 900 && stats.rx_packets < 1050);
        check!(own.drops(), [N as u64 - stats.rx_packets, 0, 0]);
        // Of the rest nobody speaks the protocol.
        check!(stats.rx_dropped, N as u64);
        Ok(())
    }
}
