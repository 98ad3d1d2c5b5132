// SPDX-License-Identifier: GPL-2.0

//! Models of where two CPUs meet in `net/` without a lock: docs/memory-order.md says which code
//! each stands for.
//!
//! Emulation of arm64 on x86 orders memory as x86 does and shows no barrier that is missing. loom
//! runs each model with all interleavings of its threads, and lets a load see each value that the
//! memory model of C11 allows. A [`Relaxed`](std::sync::atomic::Ordering::Relaxed) of the kernel's is
//! stronger than that, never weaker, where one address depends on the other.
//!
//! Each rule is seen broken as well: without it loom has to find the fault.

#[cfg(test)]
mod tests {
    use loom::{
        cell::UnsafeCell,
        model,
        sync::{
            atomic::{
                fence, AtomicUsize,
                Ordering::{self, Acquire, Relaxed, Release, SeqCst},
            },
            Arc,
        },
        thread,
    };

    /// What a kernel has for one reader: `rcu_read_lock()`, `rcu_read_unlock()` and
    /// `synchronize_rcu()`, with the full barriers that the latter stands for.
    #[derive(Default)]
    struct Rcu {
        inside: AtomicUsize,
    }

    impl Rcu {
        fn read<R>(&self, section: impl FnOnce() -> R) -> R {
            self.inside.store(1, Relaxed);
            fence(SeqCst);
            let result = section();
            self.inside.store(0, Release);
            result
        }

        fn synchronize(&self) {
            fence(SeqCst);
            while self.inside.load(Acquire) != 0 {
                thread::yield_now();
            }
        }
    }

    /// A device: `private` is data of the driver's, which is made before the device is found and
    /// dropped when it is found no more.
    struct Device {
        private: UnsafeCell<u32>,
        ops: AtomicUsize,
        flag: AtomicUsize,
        /// `First`, `Slot::peer`, or the core's own lists: 1 if the device is there.
        found: AtomicUsize,
        rcu: Rcu,
    }

    impl Device {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                private: UnsafeCell::new(0),
                ops: AtomicUsize::new(0),
                flag: AtomicUsize::new(0),
                found: AtomicUsize::new(0),
                rcu: Rcu::default(),
            })
        }

        fn write_private(&self, value: u32) {
            // SAFETY: That nobody else looks at it is what the models are about; loom says if
            // somebody does.
            self.private.with_mut(|private| unsafe { *private = value });
        }

        fn read_private(&self) -> u32 {
            // SAFETY: As above.
            self.private.with(|private| unsafe { *private })
        }
    }

    /// `First::get()` or `Slot::get()` on another CPU, and what it does with the device until its RCU
    /// section ends.
    fn reader(dev: &Arc<Device>, load: Ordering) -> thread::JoinHandle<()> {
        let dev = dev.clone();
        thread::spawn(move || {
            dev.rcu.read(|| {
                if dev.found.load(load) == 1 {
                    assert_eq!(dev.read_private(), 1);
                }
            });
        })
    }

    /// `First::set()` or `Slot::set()` against a reader.
    fn published(store: Ordering, load: Ordering) {
        model(move || {
            let dev = Device::new();
            let reader = reader(&dev, load);
            dev.write_private(1);
            dev.found.store(1, store);
            reader.join().unwrap();
        });
    }

    #[test]
    fn a_device_is_found_whole() {
        published(Release, Acquire);
    }

    #[test]
    #[should_panic(expected = "Causality violation")]
    fn found_half_made_without_release() {
        published(Relaxed, Acquire);
    }

    /// `First::forget()` or `Slot::set(None)` and the freeing of the device, against a reader.
    fn forgotten(waits: bool) {
        model(move || {
            let dev = Device::new();
            dev.write_private(1);
            dev.found.store(1, Release);
            let reader = reader(&dev, Acquire);
            dev.found.store(0, Release);
            if waits {
                dev.rcu.synchronize();
            }
            dev.write_private(0);
            reader.join().unwrap();
        });
    }

    #[test]
    fn a_device_is_there_while_it_is_used() {
        forgotten(true);
    }

    #[test]
    #[should_panic(expected = "Causality violation")]
    fn freed_while_used_without_a_grace_period() {
        forgotten(false);
    }

    /// `Device::set_l3_master()` on a registered device, against `netif_is_l3_master()` and the use
    /// of `dev->l3mdev_ops`, which the core does not check, on another CPU. The operations are there
    /// before the device is found; or, which must not be, put there with the flag.
    fn l3_master(ops_first: bool) {
        model(move || {
            let dev = Device::new();
            let reader = {
                let dev = dev.clone();
                thread::spawn(move || {
                    if dev.found.load(Acquire) == 1 && dev.flag.load(Relaxed) == 1 {
                        assert_eq!(dev.ops.load(Relaxed), 1, "no operations");
                    }
                })
            };
            if ops_first {
                dev.ops.store(1, Relaxed);
            }
            dev.found.store(1, Release);
            dev.ops.store(1, Relaxed);
            dev.flag.store(1, Relaxed);
            reader.join().unwrap();
        });
    }

    #[test]
    fn a_master_has_operations() {
        l3_master(true);
    }

    #[test]
    #[should_panic(expected = "no operations")]
    fn a_master_without_operations() {
        l3_master(false);
    }

    /// `Ops::claim()` and dropping the claim, by two that both want to register the same operations.
    fn claimed(take: Ordering, give_back: Ordering) {
        model(move || {
            let ops = Device::new();
            let register = move |ops: &Device| {
                if ops.flag.compare_exchange(0, 1, take, Relaxed).is_ok() {
                    // `rtnl_link_register()` writes to them.
                    ops.write_private(1);
                    ops.flag.store(0, give_back);
                }
            };
            let other = {
                let ops = ops.clone();
                thread::spawn(move || register(&ops))
            };
            register(&ops);
            other.join().unwrap();
        });
    }

    #[test]
    fn operations_are_registered_by_one() {
        claimed(Acquire, Release);
    }

    #[test]
    #[should_panic(expected = "Causality violation")]
    fn written_by_two_without_acquire() {
        claimed(Relaxed, Release);
    }

    #[test]
    #[should_panic(expected = "Causality violation")]
    fn written_by_two_without_release() {
        claimed(Acquire, Relaxed);
    }

    /// `RareCounter::count()` on two CPUs.
    fn counted(count: fn(&AtomicUsize)) {
        model(move || {
            let counter = Arc::new(AtomicUsize::new(0));
            let other = {
                let counter = counter.clone();
                thread::spawn(move || count(&counter))
            };
            count(&counter);
            other.join().unwrap();
            assert_eq!(counter.load(Relaxed), 2, "lost");
        });
    }

    #[test]
    fn no_count_is_lost() {
        counted(|counter| {
            counter.fetch_add(1, Relaxed);
        });
    }

    #[test]
    #[should_panic(expected = "lost")]
    fn a_count_is_lost_by_two_steps() {
        counted(|counter| counter.store(counter.load(Relaxed) + 1, Relaxed));
    }
}
