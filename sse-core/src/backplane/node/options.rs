//! How a node is set up.

use std::time::Duration;

/// How long a send waits for the store at most, by default: 5 s.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(5);

/// How a node is set up.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NodeOptions {
    /// How long a send waits for the store at most. Default: [`DEFAULT_DEADLINE`].
    pub deadline: Duration,
    /// A mistake that the node makes on purpose, for tests.
    #[cfg(feature = "test-util")]
    #[doc(hidden)]
    pub mutant: Option<Mutant>,
}

/// What a node does wrong on purpose, to see that a test finds it.
#[cfg(feature = "test-util")]
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Topics are loaded and then followed.
    LoadBeforeFollow,
    /// A client that has seen more than its node is not waited for.
    NoWaitForClientsAhead,
    /// What was loaded is given out before the feed has come as far.
    NoMarkAfterLoad,
    /// A feed that broke is taken for whole.
    BreaksAreNothing,
    /// Only marks tell of a new epoch.
    EpochOfMarksAlone,
    /// What a process held that died is nobody's.
    NobodyReaps,
    /// What a listener said is forgotten if it cannot be stored at once.
    VerdictsForgotten,
    /// Leases are renewed on the program's runtime.
    LeasesOnTheRuntime,
    /// Nobody asks whether a feed can still hear.
    DeafFeedsAreNothing,
    /// Nobody looks for what a feed has lost.
    NoAudit,
}

/// Whether this mutant is switched on.
#[cfg(not(feature = "test-util"))]
macro_rules! is_mutant {
    ($options:expr, $mutant:ident) => {
        false
    };
}
#[cfg(feature = "test-util")]
macro_rules! is_mutant {
    ($options:expr, $mutant:ident) => {
        $options.mutant == Some(crate::backplane::Mutant::$mutant)
    };
}
pub(crate) use is_mutant;

impl Default for NodeOptions {
    fn default() -> Self {
        Self {
            deadline: DEFAULT_DEADLINE,
            #[cfg(feature = "test-util")]
            mutant: None,
        }
    }
}
