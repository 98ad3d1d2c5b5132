// SPDX-License-Identifier: GPL-2.0

//! Links that are being made: `ip link add`.
//!
//! C header: [`include/net/rtnetlink.h`](srctree/include/net/rtnetlink.h),
//! `struct rtnl_newlink_params`.

use super::{
    bindings,
    context::{
        NotCopy,
        Rtnl, //
    },
    device::{
        Device,
        Driver, //
    },
    info_data::{
        Data,
        Info, //
    },
    link::{
        self,
        Unregistered, //
    },
    pair,
    rtnetlink::{
        payload,
        ExtAck, //
    },
};
use core::{
    marker::PhantomData,
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    error::{
        from_err_ptr,
        from_result,
        to_result, //
    },
    prelude::*, //
};

/// A device that a user has asked for, not registered yet. Dropped, it is not made.
///
/// # Invariants
///
/// - `dev` points to a `net_device` that `rtnl_create_link()` has made for `T`, which is not
///   registered and, until it is, only used by this value. The core frees it if it never is.
/// - `params` points to the parameters of the request that the current task handles, for `'a`.
/// - There is one for each call of [`link::Operations::newlink`].
pub struct NewLink<'a, T: link::Operations> {
    dev: NonNull<bindings::net_device>,
    params: *mut bindings::rtnl_newlink_params,
    _life: PhantomData<&'a ()>,
    _driver: Driver<T>,
    _once: NotCopy,
}

/// A device that was registered in [`link::Operations::newlink`], which returns it.
///
/// # Invariants
///
/// It is the device of the [`NewLink`] of that call.
pub struct Made<'a, T: link::Operations>(&'a Device<T>);

impl<T: link::Operations> Deref for Made<'_, T> {
    type Target = Device<T>;

    fn deref(&self) -> &Device<T> {
        self.0
    }
}

impl<'a, T: link::Operations> NewLink<'a, T> {
    /// What the request says in the attributes of the kind.
    pub fn data(&self) -> Data<'a> {
        // SAFETY: By the type's invariants.
        let data = unsafe { (*self.params).data };
        // SAFETY: As above; `rtnl_newlink()` has parsed them with the policy of `T`, if there are
        // some.
        unsafe { Data::from_raw(data, link::Ops::<T>::MAX_ATTRIBUTE) }
    }

    /// Registers the device. Process context.
    ///
    /// C counterpart: `register_netdevice()`, `net/core/dev.c`.
    pub fn register(self, _rtnl: &'a Rtnl) -> Result<Made<'a, T>> {
        let dev = self.dev.as_ptr();
        // SAFETY: By the type's invariants; RTNL is held. After an error the core frees it.
        to_result(unsafe { bindings::register_netdevice(dev) })?;
        // SAFETY: It is registered, thus its private data made. It stays while RTNL is held: after
        // an error of `T::newlink` it is unregistered when that has returned.
        Ok(Made(unsafe { Device::from_raw(dev) }))
    }

    /// Makes a second device, as the attribute [`Peer`](super::info_data::Peer) says, or like the
    /// first one without it; and registers both as each other's peers. Process context.
    ///
    /// As for a veth, the second one is in the namespace that it asks for, or else in `link-netns`,
    /// or else in that of who asks; and has a name of its own if it asks for none. Unlike there it has
    /// its peer when it goes up, if it asks for that.
    ///
    /// Builds for a driver whose links come in pairs, see [`link::Operations::ATTRIBUTES`].
    ///
    /// C counterpart: `veth_newlink()`, `drivers/net/veth.c`.
    pub fn register_pair(self, extack: &mut ExtAck<'_>, rtnl: &'a Rtnl) -> Result<Made<'a, T>> {
        const { assert!(link::Ops::<T>::PAIRED, "the links have no peer attribute") };

        let asked = self.data().attribute(link::Ops::<T>::PEER);
        let mut tb = [ptr::null_mut(); bindings::IFLA_MAX as usize + 1];
        let header: *const bindings::ifinfomsg;

        if asked.is_null() {
            header = ptr::null();
            // SAFETY: By the type's invariants.
            let first = unsafe { (*self.params).tb };
            // SAFETY: Both tables have an entry for each type.
            unsafe { ptr::copy_nonoverlapping(first, tb.as_mut_ptr(), tb.len()) };
            // What was asked for the first one can be that of one device only.
            tb[bindings::IFLA_ADDRESS as usize] = ptr::null_mut();
            tb[bindings::IFLA_IFNAME as usize] = ptr::null_mut();
        } else {
            // SAFETY: The attribute has passed its policy: it is as long as the header at least.
            header = unsafe { asked.byte_add(bindings::NLA_HDRLEN as usize) }.cast();
            // SAFETY: As above; the table has an entry for each type.
            to_result(unsafe {
                bindings::rtnl_nla_parse_ifinfomsg(tb.as_mut_ptr(), asked, extack.as_raw())
            })?;
        }

        let peer = self.create_peer(&mut tb, extack)?;
        // SAFETY: By the type's invariants the device is there.
        let index = unsafe { (*self.dev.as_ptr()).ifindex };
        // An index that is asked for goes with one for the first device, as `veth_newlink()` has it.
        if !header.is_null() && index != 0 {
            // SAFETY: The header lies in the request.
            let index = unsafe { (*header).ifi_index };
            // SAFETY: The device is ours.
            unsafe { (*peer.as_raw()).ifindex = index };
        }
        let peer = peer.register(T::OPS.get(), rtnl)?;
        let dev = match self.register(rtnl) {
            Ok(dev) => dev,
            Err(error) => {
                // SAFETY: It was just registered, has no peer, and nobody has borrowed it.
                unsafe { bindings::unregister_netdevice_queue(peer.as_raw(), ptr::null_mut()) };
                return Err(error);
            }
        };
        // SAFETY: Both were just registered, and all devices of `T` are deleted by its operations.
        unsafe { pair::tie(&dev, peer, rtnl) };
        // SAFETY: The device was made by `rtnl_create_link()` and is registered; the header lies in
        // the request, or is null. After an error both are unregistered by who called us.
        to_result(unsafe { bindings::rtnl_configure_link(peer.as_raw(), header, 0, ptr::null()) })?;
        Ok(dev)
    }

    fn create_peer(
        &self,
        tb: &mut [*mut bindings::nlattr; bindings::IFLA_MAX as usize + 1],
        extack: &mut ExtAck<'_>,
    ) -> Result<Unregistered<T>> {
        let mut name = [0u8; bindings::IFNAMSIZ as usize];
        // SAFETY: It lies whole in the request, by the type's invariants.
        let asked = unsafe { payload(tb[bindings::IFLA_IFNAME as usize]) };
        let (from, assign_type) = match asked {
            Some(asked) => (asked, bindings::NET_NAME_USER),
            None => (T::KIND.to_bytes(), bindings::NET_NAME_ENUM),
        };
        // The last byte stays 0, and of a pattern the two before it are `%d`.
        let pattern: &[u8] = if asked.is_some() { b"" } else { b"%d" };
        let text = from.iter().take_while(|byte| **byte != 0);
        let text = text.take(name.len() - 1 - pattern.len());
        for (to, byte) in name.iter_mut().zip(Iterator::chain(text, pattern)) {
            *to = *byte;
        }

        // SAFETY: By the type's invariants the parameters are valid.
        let net = unsafe { bindings::rtnl_newlink_peer_net(self.params) };
        // SAFETY: `rtnl_newlink()` has seen to it that whoever asks may make a device in the
        // namespace, and holds it. The name is terminated, and the table one of attributes that were
        // parsed, with `T`'s operations, which are registered.
        let dev = from_err_ptr(unsafe {
            bindings::rtnl_create_link(
                net,
                name.as_ptr().cast(),
                assign_type as u8,
                T::OPS.get().as_raw(),
                tb.as_mut_ptr(),
                extack.as_raw(),
            )
        })?;
        // SAFETY: It was just made, for `T`, and is ours.
        Ok(unsafe { Unregistered::from_raw(dev) })
    }
}

/// The C callbacks for what `T`'s own attributes say, parts of `struct rtnl_link_ops`.
impl<T: link::Operations> link::Ops<T> {
    /// # Safety
    ///
    /// To be called by the core as `newlink`.
    pub(super) unsafe extern "C" fn newlink(
        dev: *mut bindings::net_device,
        params: *mut bindings::rtnl_newlink_params,
        extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: `rtnl_newlink_create()` calls this under RTNL.
        let rtnl = unsafe { Rtnl::assume_held() };
        // SAFETY: As above, with the extack of its request.
        let mut extack = unsafe { ExtAck::from_raw(extack) };
        let link = NewLink {
            // SAFETY: The core has just made the device with `T`'s operations.
            // INVARIANT: So it has, for this call, and frees it after an error.
            dev: unsafe { NonNull::new_unchecked(dev) },
            params,
            _life: PhantomData,
            _driver: PhantomData,
            _once: NotCopy,
        };
        let made = T::newlink(link, &mut extack, &rtnl).map(|_| 0);
        // SAFETY: The device is there, registered or not.
        let state = unsafe { (*dev).reg_state };
        if made.is_err() && u32::from(state) == bindings::netdev_reg_state_NETREG_REGISTERED {
            // SAFETY: It is registered.
            let dev = unsafe { Device::from_raw(dev) };
            // SAFETY: As above, and what `T` had borrowed is gone. `free_netdev()`, which the core
            // calls next, leaves one alone that is being unregistered: it is freed at the end.
            unsafe { Self::delete(dev, &rtnl) };
        }
        from_result(|| made)
    }

    /// Unregisters a device, and its peer if it has one.
    ///
    /// # Safety
    ///
    /// It must be registered, and nobody have borrowed it who goes on.
    unsafe fn delete(dev: &Device<T>, rtnl: &Rtnl) {
        let mut head: bindings::list_head = pin_init::zeroed();
        let list = &raw mut head;
        // An empty list is one that leads to itself.
        // SAFETY: It is a local variable.
        unsafe { (*list).next = list };
        // SAFETY: As above.
        unsafe { (*list).prev = list };
        // SAFETY: The device is registered, by the function's safety requirement.
        unsafe { pair::unregister_queue(dev, list, rtnl) };
        // SAFETY: RTNL is held. Nobody uses the list after that.
        unsafe { bindings::unregister_netdevice_many(list) };
    }

    /// # Safety
    ///
    /// To be called by the core as `dellink`.
    pub(super) unsafe extern "C" fn dellink(
        dev: *mut bindings::net_device,
        head: *mut bindings::list_head,
    ) {
        // SAFETY: The core calls this under RTNL.
        let rtnl = unsafe { Rtnl::assume_held() };
        // SAFETY: As above, for a registered device of `T`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: As above; it unregisters what is in the list next.
        unsafe { pair::unregister_queue(dev, head, &rtnl) };
    }

    /// # Safety
    ///
    /// To be called by the core as `changelink`.
    pub(super) unsafe extern "C" fn changelink(
        dev: *mut bindings::net_device,
        _tb: *mut *mut bindings::nlattr,
        data: *mut *mut bindings::nlattr,
        extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: `rtnl_changelink()` calls this for a registered device of `T`.
        let dev = unsafe { Device::<T>::from_raw(dev) };
        // SAFETY: As above, with attributes that have passed the policy of `T`.
        let data = unsafe { Data::from_raw(data, Self::MAX_ATTRIBUTE) };
        // SAFETY: As above, with the extack of its request.
        let mut extack = unsafe { ExtAck::from_raw(extack) };
        // SAFETY: As above, under RTNL.
        let rtnl = unsafe { Rtnl::assume_held() };
        from_result(|| T::changelink(dev, &data, &mut extack, &rtnl).map(|()| 0))
    }

    /// # Safety
    ///
    /// To be called by the core as `get_size`.
    pub(super) unsafe extern "C" fn get_size(_dev: *const bindings::net_device) -> usize {
        Self::ROOM
    }

    /// # Safety
    ///
    /// To be called by the core as `fill_info`.
    pub(super) unsafe extern "C" fn fill_info(
        skb: *mut bindings::sk_buff,
        dev: *const bindings::net_device,
    ) -> c_int {
        // SAFETY: `rtnl_fill_ifinfo()` calls this with room for what `get_size` says in the message.
        let mut info = unsafe { Info::from_raw(skb, T::ATTRIBUTES) };
        // SAFETY: As above, for a device of `T` that is registered or being unregistered.
        let dev = unsafe { Device::<T>::from_raw(dev.cast_mut()) };
        // SAFETY: As above, under RTNL.
        let rtnl = unsafe { Rtnl::assume_held() };
        // The core takes any error for a lack of room (`rtnl_fill_ifinfo()`), of which it warns,
        // having asked how much is wanted (`rtmsg_ifinfo_build_skb()`). So an error of the driver's
        // own ends what is told, and no more.
        let _ = T::fill_info(dev, &mut info, &rtnl);
        if info.is_full() {
            EMSGSIZE.to_errno()
        } else {
            0
        }
    }
}
