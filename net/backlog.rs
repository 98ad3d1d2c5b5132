// SPDX-License-Identifier: GPL-2.0

//! What devices have received, and processors have not come to yet.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h),
//! `struct softnet_data`.

#[cfg(CONFIG_RPS)]
use super::once::read_once;
use super::{
    bindings,
    context::Rtnl, //
};
use kernel::{
    cpu::nr_cpu_ids,
    time::{
        delay::fsleep,
        Delta, //
    },
};

/// Waits until all that is in the backlogs now has been received. Process context.
///
/// When a device ends the core takes its packets out of them (`flush_all_backlogs()`,
/// `net/core/dev.c`), but not when it leaves for another namespace, where those that come out later
/// are received: with the route that they have of the first one.
pub(super) fn drain(_rtnl: &Rtnl) {
    // What is in the backlog of a processor that goes is put into another one.
    // SAFETY: Process context. RTNL is held, as in `flush_all_backlogs()`.
    unsafe { bindings::cpus_read_lock() };
    for cpu in 0..nr_cpu_ids() {
        // SAFETY: There is one for each processor that may be.
        if unsafe { bindings::cpu_possible(cpu) } {
            let backlog = Backlog(cpu);
            let mark = backlog.mark();
            while !backlog.is_past(mark) {
                fsleep(Delta::from_millis(1));
            }
        }
    }
    // SAFETY: Locked above.
    unsafe { bindings::cpus_read_unlock() };
}

/// That of a processor.
///
/// # Invariants
///
/// The processor is a possible one.
struct Backlog(u32);

impl Backlog {
    fn data(&self) -> *mut bindings::softnet_data {
        // SAFETY: By the type's invariants.
        unsafe { bindings::per_cpu_softnet_data(self.0) }
    }
}

/// Both ends are counted.
#[cfg(CONFIG_RPS)]
impl Backlog {
    /// How many packets were put in.
    fn mark(&self) -> i32 {
        // SAFETY: The pointer is that of a field. A word is read at once.
        unsafe { read_once((&raw const (*self.data()).input_queue_tail).cast()) }
    }

    /// Whether as many have been received.
    fn is_past(&self, mark: i32) -> bool {
        // SAFETY: As above.
        let received: i32 =
            unsafe { read_once((&raw const (*self.data()).input_queue_head).cast()) };
        received.wrapping_sub(mark) >= 0
    }
}

/// With but one processor nothing is counted; what is being received then is waited for by the grace
/// periods that follow.
#[cfg(not(CONFIG_RPS))]
impl Backlog {
    fn mark(&self) {}

    fn is_past(&self, _mark: ()) -> bool {
        let data = self.data();
        // SAFETY: The pointers are those of fields, which the function reads at once.
        unsafe {
            bindings::skb_queue_empty_lockless(&raw const (*data).input_pkt_queue)
                && bindings::skb_queue_empty_lockless(&raw const (*data).process_queue)
        }
    }
}
