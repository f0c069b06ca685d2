//! Lists that take a moment are made on threads of their own, so that keys are answered meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crossbeam_channel::Sender;

use crate::app::Message;
use crate::pair::catalog::{Catalog, Listing, Query, list};

/// Makes lists; a newer one ends the search for an older.
#[derive(Default)]
pub struct Lister {
    newest: Arc<AtomicU64>,
}

impl Lister {
    /// Makes a list and tells it to `sender`, unless a newer one is asked for meanwhile.
    pub fn ask(&self, number: u64, catalog: Catalog, query: Query, sender: &Sender<Message>) {
        self.newest.store(number, Ordering::Relaxed);
        let (newest, sender) = (Arc::clone(&self.newest), sender.clone());
        let work = move || {
            let stop = || newest.load(Ordering::Relaxed) != number;
            let parts = if query.searches_text() {
                thread::available_parallelism().map_or(1, |threads| threads.get().min(8))
            } else {
                1
            };
            let found = thread::scope(|scope| {
                let (catalog, query, stop) = (&catalog, &query, &stop);
                let searches: Vec<_> = (0..parts)
                    .map(|part| scope.spawn(move || list(catalog, query, (part, parts), stop)))
                    .collect();
                searches.into_iter().map(|search| search.join().unwrap_or_default()).collect()
            });
            let listing = Listing::join(found, &catalog, &query);
            if !stop() {
                // Nobody listens after the interface has left.
                let _ = sender.send(Message::Listed(number, listing));
            }
        };
        // Without a thread the list comes late, not never.
        if let Err(error) = thread::Builder::new().name("list".to_owned()).spawn(work.clone()) {
            tracing::warn!("{error}");
            work();
        }
    }
}
