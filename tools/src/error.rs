// SPDX-License-Identifier: GPL-2.0

//! What the user is told when something fails.

use std::fmt;

/// A message, in the form "subject: reason".
#[derive(Debug)]
pub struct Error(pub String);

/// What may fail.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error {
    /// About a subject, with a reason.
    pub fn about(subject: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self(format!("{subject}: {reason}"))
    }
}
