//! What a library registers.

use abi_stable::StableAbi;
use abi_stable::library::RootModule;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{RString, RVec};
use abi_stable::{declare_root_module_statics, package_version_strings};
use core::ffi::c_void;

use crate::{HostApi, Res, SinkTable, SourceTable};

/// What a component does. A host names and skips kinds it does not know.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Kind(pub u32);

impl Kind {
    pub const SOURCE: Self = Self(1);
    pub const SINK: Self = Self(2);
    /// Changes what goes down and comes up a pipe. `keys` are the names under which `plugin/req-resp-modifier` finds it,
    /// `table` is a [`ModifierTable`](crate::ModifierTable).
    pub const MODIFIER: Self = Self(3);
    /// Makes the call of an HTTP backend. `keys` are the names under which `plugin/http-client` finds it, `table` is an
    /// [`HttpClientTable`](crate::HttpClientTable).
    pub const HTTP_CLIENT: Self = Self(4);
}

/// In whose `extra_config` a component is found.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Level(pub u32);

impl Level {
    pub const AGENT: Self = Self(1);
    pub const BACKEND: Self = Self(2);
    /// Both: modifiers.
    pub const EVERYWHERE: Self = Self(3);
}

/// What a driver does natively, the core supplying the rest; what a modifier is for. Unknown bits are ignored.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Capabilities(pub u64);

impl Capabilities {
    pub const NONE: Self = Self(0);
    /// A message can be given back: REQUEUE and RETRY deliver it again, to anyone. Without it (Kafka) the core keeps a
    /// failed event and tries it again in place.
    pub const GIVE_BACK: Self = Self(1);
    /// RETRY's delay is kept by the broker. Without it the core holds the event, unsettled, for that time.
    pub const DELAY: Self = Self(1 << 1);
    /// `attempt` is counted by the broker. Without it the core counts in a bounded table.
    pub const ATTEMPTS: Self = Self(1 << 2);
    /// REJECT leads somewhere the broker knows. Without it a rejected message is dropped by the broker.
    pub const REJECT: Self = Self(1 << 3);
    /// Messages of one partition (or of the whole source, without partitions) come in order.
    pub const ORDER: Self = Self(1 << 4);
    /// Settling many at once is cheaper than one by one.
    pub const BATCH_SETTLE: Self = Self(1 << 5);
    /// `pause` keeps the broker from sending.
    pub const PAUSE: Self = Self(1 << 6);
    /// Sends LAG notices.
    pub const LAG: Self = Self(1 << 7);
    /// Mends its own connection: reports LOST and CONNECTED instead of failing.
    pub const SELF_HEALING: Self = Self(1 << 8);
    /// A modifier of requests.
    pub const REQUESTS: Self = Self(1 << 9);
    /// A modifier of replies.
    pub const REPLIES: Self = Self(1 << 10);
}

/// One thing that a library registers under its namespace keys.
#[repr(C)]
#[derive(StableAbi)]
pub struct Component {
    pub kind: Kind,
    pub level: Level,
    /// Namespace keys, or the names of what stands in a pipe: the main one first, then aliases.
    pub keys: RVec<RString>,
    /// URL schemes that it serves under its keys; empty: all.
    pub schemes: RVec<RString>,
    /// How logs call it: `AMQP`, `SQLite`.
    pub label: RString,
    /// JSON schema of its configuration.
    pub schema: RString,
    pub capabilities: Capabilities,
    /// Revision of the table, for kinds that `table` serves; 1 for sources and sinks.
    pub table_rev: u32,
    pub reserved: u32,
    /// The table of a SOURCE, else null. All tables live as long as the process.
    pub source: *const SourceTable,
    /// The table of a SINK, else null.
    pub sink: *const SinkTable,
    /// The table of a kind that came after this revision, else null.
    pub table: *const c_void,
}

// SAFETY: the tables are constant data of a library that is never unloaded.
unsafe impl Send for Component {}
// SAFETY: as above.
unsafe impl Sync for Component {}

/// The root module. abi_stable compares its layout, and through it that of every type in this crate, before the first call.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginRef, prefix_fields = PluginPrefix)))]
#[sabi(missing_field(panic))]
pub struct Plugin {
    /// Called once, first.
    pub init: unsafe extern "C" fn(HostApi) -> Res<RVec<Component>>,
    /// Tables that came after this revision, by number; null when the plugin has none under it.
    #[sabi(last_prefix_field)]
    pub ext: unsafe extern "C" fn(u32) -> *const c_void,
}

impl RootModule for PluginRef {
    declare_root_module_statics! {PluginRef}
    const BASE_NAME: &'static str = "siphon_plugin";
    const NAME: &'static str = "siphon_plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}
