// SPDX-License-Identifier: GPL-2.0

//! Frames that an XDP program of another device redirects to one.
//!
//! C header: [`include/net/xdp.h`](srctree/include/net/xdp.h)

use super::{
    bindings,
    device::{
        Device,
        Operations, //
    },
    link_type::EthernetHeader,
    skbuff::{
        NoHeader,
        RxSkBuff, //
    },
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::prelude::*;

/// An owned frame: `struct xdp_frame` with the memory that it lies in.
///
/// It ends by becoming a packet ([`XdpFrame::build_skb`]), or goes back to the caller of
/// [`Operations::xdp_xmit`], who frees it. One that may go out of scope otherwise does not build:
/// modpost then says that `rust_build_error` is undefined.
///
/// It cannot be kept, being lent for `'dev`, which is the call that was given the frame.
///
/// # Invariants
///
/// `self.0` points to a valid `xdp_frame`, which is this value's alone, and with it the frame's
/// memory and its references to fragments.
#[must_use = "a frame ends by build_skb(), or goes back"]
#[repr(transparent)]
pub struct XdpFrame<'dev>(NonNull<bindings::xdp_frame>, PhantomData<&'dev ()>);

impl XdpFrame<'_> {
    /// Takes over a frame.
    ///
    /// # Safety
    ///
    /// `ptr` must satisfy the invariants of [`XdpFrame`], and the caller must give the frame up.
    #[inline]
    pub(super) unsafe fn from_raw(ptr: *mut bindings::xdp_frame) -> Self {
        // SAFETY: A valid pointer is not null.
        let ptr = unsafe { NonNull::new_unchecked(ptr) };
        // INVARIANT: By the function's safety requirement.
        Self(ptr, PhantomData)
    }

    /// Gives the frame up without freeing it.
    #[inline]
    pub(super) fn into_raw(self) -> *mut bindings::xdp_frame {
        ManuallyDrop::new(self).0.as_ptr()
    }

    /// Length in bytes, with the link-layer header and all fragments.
    ///
    /// C counterpart: `xdp_get_frame_len()`.
    #[inline]
    #[expect(clippy::len_without_is_empty)]
    pub fn len(&self) -> u32 {
        // SAFETY: By the type's invariants.
        unsafe { bindings::xdp_get_frame_len(self.0.as_ptr()) }
    }

    /// Whether the frame is longer than the MTU of `dev` and a link-layer header.
    ///
    /// The core has let pass what is longer by a VLAN tag, or by as much as the MTU has shrunk
    /// meanwhile.
    ///
    /// C counterpart: `xdp_ok_fwd_dev()`, `include/linux/filter.h`, without the tag.
    #[inline]
    pub fn exceeds<T: Operations>(&self, dev: &Device<T>) -> bool {
        self.len() > dev.mtu().saturating_add(dev.hard_header_len())
    }

    /// Makes a frame with an Ethernet header a packet that `dev` has received, without a route and
    /// without a word about its checksums. What metadata the program has left goes with it.
    ///
    /// A frame without a whole header in its first part comes back as it was, with the reason, and
    /// so does one for which there is no memory.
    ///
    /// C counterpart: `xdp_build_skb_from_frame()`, `net/core/xdp.c`.
    #[inline]
    pub fn build_skb<'to, T: Operations<LinkType: EthernetHeader>>(
        self,
        dev: &'to Device<T>,
    ) -> Result<RxSkBuff<'to>, (Self, NoHeader)> {
        // SAFETY: By the type's invariants.
        let first = unsafe { (*self.0.as_ptr()).len };
        if first < bindings::ETH_HLEN {
            return Err((self, NoHeader::TooShort));
        }
        // SAFETY: By the type's invariants the frame is ours. It holds a whole header, which the
        // function takes off (`eth_type_trans()`), and `dev` is alive, with an address of
        // Ethernet's length.
        let skb = unsafe { bindings::xdp_build_skb_from_frame(self.0.as_ptr(), dev.as_raw()) };
        if skb.is_null() {
            // Only before it has touched the frame.
            return Err((self, NoHeader::NoMemory));
        }
        let _in_the_packet = ManuallyDrop::new(self);
        // SAFETY: The packet is new and ours, with device, protocol and MAC header, and without a
        // route. `dev` is alive, and if it is being unregistered it is down, which the backlog
        // looks at (`enqueue_to_backlog()`, `net/core/dev.c`).
        Ok(unsafe { RxSkBuff::from_raw(skb) })
    }
}

impl Drop for XdpFrame<'_> {
    // Inline, so that there is code for it only where a frame may go out of scope.
    #[inline]
    fn drop(&mut self) {
        build_error!("a frame ends by build_skb(), or goes back");
    }
}

/// Offers all frames to `xmit` and says how many it has taken. Those that came back are behind that
/// many in `frames`, where the core looks for them: what it frees is what was given back.
///
/// # Safety
///
/// Each of `frames` must satisfy the invariants of [`XdpFrame`]. The caller gives them up, and owns
/// afterwards those behind the number that is returned, and no others.
#[inline]
pub(super) unsafe fn offer<'dev>(
    frames: &mut [*mut bindings::xdp_frame],
    mut xmit: impl FnMut(XdpFrame<'dev>) -> Result<(), XdpFrame<'dev>>,
) -> usize {
    let mut taken = 0;
    for i in 0..frames.len() {
        // SAFETY: By the function's safety requirement; those from here on have not been touched.
        match xmit(unsafe { XdpFrame::from_raw(frames[i]) }) {
            Ok(()) => {
                frames[i] = frames[taken];
                taken += 1;
            }
            Err(frame) => frames[i] = frame.into_raw(),
        }
    }
    taken
}
