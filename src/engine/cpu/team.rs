//! Threads of the pool that stay together for the many short passes of a layer.
//!
//! On many processors a pass takes some tens of microseconds. A pool hands its tasks on from thread to thread, to
//! whoever is free, and lets threads sleep in between, which takes as long. Threads of a team wait a moment for the
//! next pass instead. Each begins with its own share of a pass, the same part of all tasks every time: where tasks are
//! parts of the rows of a batch, the rows that it worked on before are in its caches. Who is done goes on with what is
//! left of others' shares.
//!
//! Outside of a team, the same functions run on the current pool as usual.

mod together;

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use rayon::prelude::*;

pub(in crate::engine) use together::Together;

/// Turns of waiting before a thread leaves its team or sleeps, a tenth of a millisecond and more: as long as most last
/// tasks of a pass. To be woken takes half of that; but where another program runs beside, it could use the time.
const TURNS: u32 = 3000;

thread_local! {
    static ROLE: Cell<Role> = const { Cell::new(Role::Free) };
}

/// What a thread is at.
#[derive(Debug, Clone, Copy)]
enum Role {
    /// Nothing that a team has to do with.
    Free,
    /// It leads a team, from its place among the threads.
    Leader(*const Team, usize),
    /// A task of a team. What that has to do in turn, it does alone: if it waited for others of the pool, it might be given
    /// work of another team that waits for this one.
    Task,
}

/// A role for as long as this lives.
struct As(Role);

impl As {
    fn new(role: Role) -> Self {
        Self(ROLE.replace(role))
    }
}

impl Drop for As {
    fn drop(&mut self) {
        ROLE.set(self.0);
    }
}

/// Runs on a thread of the current pool, with the others gathered around it: what [`each`] is given until `run` ends
/// goes to them. Other work of the pool gets the threads that have waited for a while only, so `run` should be short: a
/// layer, not a step.
pub(in crate::engine) fn gather<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    match ROLE.get() {
        Role::Free => rayon::scope(|_| lead(run)),
        _ => run(),
    }
}

/// Runs on this thread of the pool as a leader. It waits for no thread that is not at one of its tasks, those wait for
/// nobody, and others for a while only: so no team can keep another from ending.
fn lead<T>(run: impl FnOnce() -> T) -> T {
    let threads = rayon::current_num_threads();
    // The pool may have handed this to a thread that leads another team.
    let (Role::Free, Some(place), 2..) = (ROLE.get(), rayon::current_thread_index(), threads)
    else {
        return run();
    };
    let team = Team::new(threads);
    let _dismissed = Dismissed(&team);
    let _leader = As::new(Role::Leader(&raw const *team, place));
    run()
}

/// Runs tasks `0..count`, on the team that this thread leads or else on the current pool.
pub(in crate::engine) fn each(count: usize, task: impl Fn(usize) + Sync) {
    match ROLE.get() {
        Role::Leader(team, place) if count > 1 => {
            // SAFETY: a team lives for longer than a thread has the role of its leader.
            #[expect(unsafe_code, reason = "the leader's own team")]
            let team = unsafe { &*team };
            team.pass(place, count, &task);
        }
        Role::Free if count > 1 => {
            (0..count).into_par_iter().with_max_len(1).for_each(&task);
        }
        _ => (0..count).for_each(task),
    }
}

/// Runs both, one after the other where threads are gathered, since each then has all of them.
pub(in crate::engine) fn both<A: Send, B: Send>(
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B + Send,
) -> (A, B) {
    match ROLE.get() {
        Role::Free => rayon::join(first, second),
        _ => (first(), second()),
    }
}

/// Lets the team go when dropped.
struct Dismissed<'a>(&'a Team);

impl Drop for Dismissed<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
    }
}

/// One leader and the threads that serve it.
#[derive(Debug)]
struct Team {
    /// The number of a pass while there are tasks of it, which is odd; even between passes.
    number: AtomicU32,
    /// Threads that may be at the current task, without the leader.
    inside: AtomicU32,
    is_over: AtomicBool,
    /// Threads that serve it.
    members: AtomicU32,
    /// Invitations that nobody has taken yet.
    invitations: AtomicU32,
    own: Weak<Self>,
    task: UnsafeCell<Option<Task>>,
    shares: Box<[Share]>,
    leader_sleeps: AtomicBool,
    door: Mutex<()>,
    left: Condvar,
    /// What a task panicked with.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// What is called with the numbers of tasks.
#[derive(Clone, Copy)]
struct Task(*const (dyn Fn(usize) + Sync));

impl std::fmt::Debug for Task {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("Task")
    }
}

// SAFETY: `task` is written by the leader between passes only, when no thread is inside that found the pass open, and
// read by threads inside; what it points to is `Sync`.
#[expect(unsafe_code, reason = "a place that passes guard")]
unsafe impl Sync for Team {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "a place that passes guard")]
unsafe impl Send for Team {}

/// A thread's own tasks of a pass: those from `next` on. On lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Share {
    next: AtomicUsize,
    end: AtomicUsize,
}

impl Team {
    fn new(threads: usize) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            number: AtomicU32::new(0),
            inside: AtomicU32::new(0),
            is_over: AtomicBool::new(false),
            task: UnsafeCell::new(None),
            shares: (0..threads).map(|_| Share::default()).collect(),
            members: AtomicU32::new(0),
            invitations: AtomicU32::new(0),
            own: Weak::clone(own),
            leader_sleeps: AtomicBool::new(false),
            door: Mutex::new(()),
            left: Condvar::new(),
            panic: Mutex::new(None),
        })
    }

    /// The leader's: runs all tasks.
    fn pass(&self, place: usize, count: usize, task: &(dyn Fn(usize) + Sync)) {
        let threads = self.shares.len();
        for (thread, share) in self.shares.iter().enumerate() {
            share.next.store(thread * count / threads, Ordering::Relaxed);
            share.end.store((thread + 1) * count / threads, Ordering::Relaxed);
        }
        // SAFETY: no thread is inside an open pass, and this one ends before `task` does; only its lifetime changes.
        #[expect(unsafe_code, reason = "a place that passes guard")]
        unsafe {
            let task = std::mem::transmute::<
                &(dyn Fn(usize) + Sync),
                &'static (dyn Fn(usize) + Sync),
            >(task);
            *self.task.get() = Some(Task(task));
        }
        // Whoever sees the number sees what was written before it.
        self.number.fetch_add(1, Ordering::SeqCst);
        self.invite();
        self.work(place);
        // No task is left to be taken. Nobody goes in any more, and who is inside comes out soon.
        self.number.fetch_add(1, Ordering::SeqCst);
        self.wait_for_others();
        if let Some(panic) = lock(&self.panic).take() {
            resume_unwind(panic);
        }
    }

    /// Runs tasks until none is left, those of one's own first.
    fn work(&self, place: usize) {
        // SAFETY: the pass is open, so this is its task, which lives until all are out.
        #[expect(unsafe_code, reason = "a place that passes guard")]
        let Some(task) = (unsafe { (*self.task.get()).map(|task| &*task.0) }) else { return };
        let threads = self.shares.len();
        let _task = As::new(Role::Task);
        let run = AssertUnwindSafe(|| {
            for share in (place..threads).chain(0..place).map(|thread| &self.shares[thread]) {
                let end = share.end.load(Ordering::Relaxed);
                while share.next.load(Ordering::Relaxed) < end {
                    let index = share.next.fetch_add(1, Ordering::Relaxed);
                    if index < end {
                        task(index);
                    }
                }
            }
        });
        if let Err(panic) = catch_unwind(run) {
            lock(&self.panic).get_or_insert(panic);
        }
    }

    /// Has the pool send as many threads as are missing.
    fn invite(&self) {
        let known = self.members.load(Ordering::SeqCst) + self.invitations.load(Ordering::SeqCst);
        for _ in known..self.shares.len() as u32 - 1 {
            let Some(team) = self.own.upgrade() else { return };
            self.invitations.fetch_add(1, Ordering::SeqCst);
            rayon::spawn(move || team.join());
        }
    }

    /// A thread's that was sent.
    fn join(&self) {
        self.members.fetch_add(1, Ordering::SeqCst);
        self.invitations.fetch_sub(1, Ordering::SeqCst);
        // A leader that waits for something of the pool has passes of its own to lead.
        if let (Role::Free, Some(place)) = (ROLE.get(), rayon::current_thread_index()) {
            self.serve(place);
        }
        self.members.fetch_sub(1, Ordering::SeqCst);
    }

    /// The other threads' part, until there is nothing to do for a while.
    fn serve(&self, place: usize) {
        let mut seen = 0;
        while let Some(number) = self.next_pass(seen) {
            seen = number;
            self.inside.fetch_add(1, Ordering::SeqCst);
            // Still open: the leader now waits until this thread is out.
            if self.number.load(Ordering::SeqCst) == number {
                self.work(place);
            }
            let was_last = self.inside.fetch_sub(1, Ordering::SeqCst) == 1;
            if was_last && self.leader_sleeps.load(Ordering::SeqCst) {
                drop(lock(&self.door));
                self.left.notify_one();
            }
        }
    }

    /// The number of a pass that is open and was not `seen`; nothing when all is over, or none comes for a while.
    fn next_pass(&self, seen: u32) -> Option<u32> {
        for _ in 0..TURNS {
            let number = self.number.load(Ordering::SeqCst);
            if self.is_over.load(Ordering::SeqCst) {
                return None;
            }
            if number % 2 == 1 && number != seen {
                return Some(number);
            }
            spin_loop();
        }
        None
    }

    fn wait_for_others(&self) {
        for _ in 0..TURNS {
            if self.inside.load(Ordering::SeqCst) == 0 {
                return;
            }
            spin_loop();
        }
        let mut door = lock(&self.door);
        self.leader_sleeps.store(true, Ordering::SeqCst);
        while self.inside.load(Ordering::SeqCst) > 0 {
            door = self.left.wait(door).unwrap_or_else(PoisonError::into_inner);
        }
        self.leader_sleeps.store(false, Ordering::SeqCst);
    }
}

/// Nothing is left half done under these locks, so a panic beside them does not matter.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(ran: &AtomicUsize) {
        ran.fetch_add(1, Ordering::Relaxed);
    }

    fn on_pools(run: impl Fn(usize) + Sync) {
        for threads in [1, 2, 16] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(threads));
        }
    }

    #[test]
    fn each_task_of_many_passes_runs_once() {
        on_pools(|threads| {
            let ran: Vec<AtomicUsize> = (0..70).map(|_| AtomicUsize::new(0)).collect();
            let mut wanted = vec![0; ran.len()];
            for _ in 0..20 {
                gather(|| {
                    for count in [0, 1, 2, 5, 16, 17, 70] {
                        each(count, |index| {
                            ran[index].fetch_add(1, Ordering::Relaxed);
                        });
                        wanted[..count].iter_mut().for_each(|ran| *ran += 1);
                        // All of a pass is done when it ends.
                        let ran: Vec<_> =
                            ran.iter().map(|ran| ran.load(Ordering::Relaxed)).collect();
                        assert_eq!(ran, wanted, "{count} tasks on {threads}");
                    }
                });
            }
        });
    }

    /// Long tasks keep the leader waiting, pauses the others: it falls asleep, they leave; it is woken, they come again.
    #[test]
    fn whoever_sleeps_is_woken_and_whoever_left_is_invited() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let sleep = || std::thread::sleep(std::time::Duration::from_millis(3));
        let ran = AtomicUsize::new(0);
        pool.install(|| {
            gather(|| {
                for _ in 0..5 {
                    sleep();
                    each(3, |index| {
                        // One of them takes longer than the others wait.
                        (0..index).for_each(|_| sleep());
                        ran.fetch_add(1, Ordering::Relaxed);
                    });
                }
            });
        });
        assert_eq!(ran.into_inner(), 15);
    }

    #[test]
    fn tasks_may_have_tasks_and_teams_of_their_own() {
        on_pools(|_| {
            let ran = AtomicUsize::new(0);
            gather(|| {
                each(5, |_| {
                    each(3, |_| count(&ran));
                    gather(|| each(2, |_| count(&ran)));
                });
                let (a, b) = both(|| gather(|| 1), || 2);
                ran.fetch_add(a + b, Ordering::Relaxed);
            });
            assert_eq!(ran.into_inner(), 5 * (3 + 2) + 3);
        });
    }

    #[test]
    fn several_teams_of_one_pool_all_come_to_an_end() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
        let ran = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        pool.install(|| {
                            gather(|| each(9, |_| count(&ran)));
                        });
                    }
                });
            }
        });
        assert_eq!(ran.into_inner(), 3 * 50 * 9);
    }

    #[test]
    fn a_panic_of_a_task_comes_out_and_leaves_the_pool_whole() {
        on_pools(|threads| {
            let run = || gather(|| each(40, |index| assert_ne!(index, 33, "this one")));
            let panic = catch_unwind(run).unwrap_err();
            let said = panic.downcast_ref::<String>().unwrap();
            assert!(said.contains("this one"), "{threads}: {said}");
            let ran = AtomicUsize::new(0);
            gather(|| each(40, |_| count(&ran)));
            assert_eq!(ran.into_inner(), 40);
        });
    }
}
