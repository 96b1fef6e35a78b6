//! Ctrl-C and SIGTERM: the first one asks for a clean end, the second one ends at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::exit::RUNTIME;

/// A flag that the first signal raises: drain, flush, commit, print the summary. A second signal, of either
/// kind, ends the process at once; what was not committed is read again at the next start.
pub(crate) fn stop_flag() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let signalled = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Registered first, so that it does not see the flag of its own signal. Its flag is not `stop`: that
        // one is also raised by a closed console, after which a first signal must still end cleanly.
        flag::register_conditional_shutdown(signal, i32::from(RUNTIME), Arc::clone(&signalled))?;
    }
    for signal in [SIGINT, SIGTERM] {
        flag::register(signal, Arc::clone(&signalled))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}
