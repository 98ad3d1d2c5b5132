// SPDX-License-Identifier: GPL-2.0

//! Locks and contexts as values.
//!
//! A function that is legal only under RTNL, or only with bottom halves disabled, takes a
//! reference to the value that stands for it. The values can be had only where the state really
//! holds: from a guard that took the lock, or from the adapter of a callback that the core calls
//! that way.

use super::bindings;
use core::ops::Deref;
use kernel::types::NotThreadSafe;

/// What stands for the state of the task or context that it was made in, and does not leave that.
/// No driver can name this, and so none can make what it is in [`Copy`], not even one of the same
/// crate: a copy could outlive the state.
struct Token(NotThreadSafe);

/// The same for values that stand for something else.
pub(super) struct NotCopy;

/// RTNL is held by the current task for as long as this value is borrowed.
///
/// C header: [`include/linux/rtnetlink.h`](srctree/include/linux/rtnetlink.h)
///
/// # Invariants
///
/// The current task holds `rtnl_mutex`. The value stays with that task: it is neither [`Send`] nor
/// [`Sync`].
pub struct Rtnl(Token);

impl Rtnl {
    /// Takes RTNL, sleeping until it is free. Process context.
    ///
    /// Taking it twice in one task is a deadlock, as in C.
    ///
    /// C counterpart: `rtnl_lock()`, `net/core/rtnetlink.c`.
    #[inline]
    pub fn lock() -> RtnlGuard {
        // SAFETY: `rtnl_lock()` has no preconditions that concern memory safety.
        unsafe { bindings::rtnl_lock() };
        // INVARIANT: The lock was just taken by this task, and the guard gives it back.
        RtnlGuard(Rtnl(Token(NotThreadSafe)))
    }

    /// States that RTNL is held.
    ///
    /// # Safety
    ///
    /// The current task must hold RTNL for the whole life of the returned value, which must not
    /// leave the task.
    #[inline]
    pub(super) unsafe fn assume_held() -> Self {
        // INVARIANT: By the function's safety requirement.
        Self(Token(NotThreadSafe))
    }
}

/// Gives RTNL back when dropped.
///
/// Giving it back also completes the unregistration of devices that was begun under it
/// (`netdev_run_todo()`, `net/core/dev.c`), which sleeps.
#[must_use = "RTNL is given back when the guard is dropped"]
pub struct RtnlGuard(Rtnl);

impl Deref for RtnlGuard {
    type Target = Rtnl;

    #[inline]
    fn deref(&self) -> &Rtnl {
        &self.0
    }
}

impl Drop for RtnlGuard {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the invariant of `Rtnl` this task holds the lock, and no borrow of the
        // `Rtnl` outlives the guard.
        unsafe { bindings::rtnl_unlock() };
    }
}

/// No softirq comes between on this CPU for as long as this value is borrowed.
///
/// # Invariants
///
/// `local_bh_disable()` is in force, or softirqs are being served, or (where netpoll sends, see
/// [`XmitContext`]) hard interrupts are off: the context stays on its CPU, and no softirq comes
/// between. On PREEMPT_RT without `CONFIG_PREEMPT_RT_NEEDS_BH_LOCK` another task may, with bottom
/// halves disabled as well (`kernel/softirq.c`); elsewhere a hard interrupt may in which netpoll
/// sends. So what is done per CPU has to bear a second one in the middle of it. The value stays in
/// the context it was made in.
pub struct BhDisabled(Token);

/// An RCU read-side critical section is open for as long as this value is borrowed.
///
/// # Invariants
///
/// `rcu_read_lock()` or `rcu_read_lock_bh()` is held by the current context, or hard interrupts are
/// off.
pub struct RcuRead(Token);

impl RcuRead {
    /// States that an RCU read-side critical section is open.
    ///
    /// # Safety
    ///
    /// It must be for the whole life of the returned value, which must not leave the context.
    #[inline]
    pub(super) unsafe fn assume() -> Self {
        // INVARIANT: By the function's safety requirement.
        Self(Token(NotThreadSafe))
    }
}

/// The context in which the core calls `ndo_start_xmit`: no softirq comes between, inside RCU.
///
/// `__dev_queue_xmit()`, `__dev_direct_xmit()` and `generic_xdp_tx()` (`net/core/dev.c`) call it
/// between `rcu_read_lock_bh()`/`local_bh_disable()` and their counterparts, or in a softirq;
/// pktgen (`net/core/pktgen.c`) with bottom halves disabled, which is an RCU reader as well
/// (`kernel/softirq.c`).
///
/// `ndo_xdp_xmit` is called like that, too: by `bq_xmit_all()` (`kernel/bpf/devmap.c`) at the end
/// of a poll of NAPI or, where frames are made up (`bpf_test_run_xdp_live()`, cpumap), with bottom
/// halves disabled; never by netpoll.
///
/// netpoll (netconsole, `net/core/netpoll.c`) calls `ndo_start_xmit` with hard interrupts off,
/// which is an RCU reader, too; in a hard interrupt or not, and perhaps in the middle of another
/// transmission. Its packets are of no socket, have no route and are linear: what must not be done
/// there is not done with them (destructors, ICMP errors). A driver that takes locks in
/// `start_xmit`, and would wait for itself, keeps it away by
/// [`PrivFlag::DisableNetpoll`](super::flags::PrivFlag); with PREEMPT_RT it is kept away from all
/// (`Adapter::setup`), as spinlocks sleep there.
pub struct XmitContext {
    bh: BhDisabled,
    rcu: RcuRead,
}

impl XmitContext {
    /// States that the current function was called as `ndo_start_xmit`.
    ///
    /// # Safety
    ///
    /// The invariants of [`BhDisabled`] and [`RcuRead`] must hold for the whole life of the
    /// returned value, which must not leave the context.
    #[inline]
    pub(super) unsafe fn assume() -> Self {
        // INVARIANT: Both by the function's safety requirement.
        Self {
            bh: BhDisabled(Token(NotThreadSafe)),
            rcu: RcuRead(Token(NotThreadSafe)),
        }
    }

    /// No softirq comes between.
    #[inline]
    pub fn bh(&self) -> &BhDisabled {
        &self.bh
    }

    /// Inside an RCU read-side critical section.
    #[inline]
    pub fn rcu(&self) -> &RcuRead {
        &self.rcu
    }
}

/// Whether something may be said in the kernel log now that users can make come up as often as they
/// like. Any context.
///
/// C counterpart: `net_ratelimit()`, `net/core/utils.c`.
#[inline]
pub fn ratelimit() -> bool {
    // SAFETY: The function has no preconditions.
    unsafe { bindings::net_ratelimit() != 0 }
}
