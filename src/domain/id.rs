//! Names of things: cheap to clone, so that a decision can hold them without copying text.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(Arc<str>);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $type {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }

        impl From<String> for $type {
            fn from(text: String) -> Self {
                Self(Arc::from(text))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name! {
    /// The name of a backend, unique in a configuration.
    BackendId
}

name! {
    /// A model id as its backend names it, such as `claude-opus-5-5` or `llama3:8b`.
    ModelId
}

/// A request's identity: a UUID whose order is the order of arrival (version 7).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub Uuid);

impl RequestId {
    /// The last six hexadecimal digits: enough to tell the rows of a screen apart.
    #[must_use]
    pub fn short(self) -> String {
        let digits = self.0.simple().to_string();
        digits[digits.len() - 6..].to_owned()
    }

    /// A number from 0 up to but not including 1, drawn with the id: the same request has the same luck whenever it is looked
    /// at again.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "24 bits fit into the number exactly")]
    pub fn chance(self) -> f32 {
        // The last bits of a version 7 UUID are random.
        const BITS: u32 = 24;
        (self.0.as_u128() as u32 & ((1 << BITS) - 1)) as f32 / (1_u32 << BITS) as f32
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({})", self.short())
    }
}
