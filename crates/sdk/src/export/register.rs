//! How a library introduces itself.

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use schemars::Schema;
use siphon_abi::abi_stable::prefix_type::PrefixTypeTrait as _;
use siphon_abi::{
    ABI_REV, Capabilities, Component, Handshake, HostApi, Kind, Level, MAGIC, Plugin, PluginRef, RErr, ROk, RVec, Res,
    Slice, UNWINDS,
};

use super::guard::guard;
use super::log;

/// A component without its table.
pub(super) fn component(kind: Kind, level: Level, keys: &[&str], label: &str, schema: &Schema) -> Component {
    Component {
        kind,
        level,
        keys: keys.iter().map(|key| (*key).into()).collect(),
        schemes: RVec::new(),
        label: label.into(),
        schema: schema.as_value().to_string().into(),
        capabilities: Capabilities::NONE,
        table_rev: 1,
        reserved: 0,
        source: null(),
        sink: null(),
        table: null(),
    }
}

/// The handshake of a plugin package. For [`export_plugin!`](crate::export_plugin).
pub const fn handshake(name: &'static str, version: &'static str, unwinds: bool) -> Handshake {
    Handshake {
        magic: MAGIC,
        abi_rev: ABI_REV,
        flags: if unwinds { UNWINDS } else { 0 },
        sdk: Slice::of(env!("CARGO_PKG_VERSION").as_bytes()),
        rustc: Slice::of(env!("SIPHON_RUSTC").as_bytes()),
        name: Slice::of(name.as_bytes()),
        version: Slice::of(version.as_bytes()),
    }
}

/// Takes the host's functions and lists the components of `crate_name`. For [`export_plugin!`](crate::export_plugin).
pub fn init(
    host: HostApi,
    crate_name: &'static str,
    components: impl FnOnce() -> Vec<Component>,
) -> Res<RVec<Component>> {
    let register = || {
        log::install(host, crate_name);
        Ok(components())
    };
    match guard(register, Err) {
        Ok(components) => ROk(components.into()),
        Err(error) => RErr(error.into_abi()),
    }
}

/// The root module around `init`. For [`export_plugin!`](crate::export_plugin).
pub fn root_module(init: unsafe extern "C" fn(HostApi) -> Res<RVec<Component>>) -> PluginRef {
    Plugin { init, ext: no_extension }.leak_into_prefix()
}

/// This SDK has no table beyond those of its revision.
///
/// # Safety
///
/// Always safe to call; the table asks for the type.
pub unsafe extern "C" fn no_extension(_: u32) -> *const c_void {
    null_mut()
}

/// Makes the library a plugin: `export_plugin!(source::<MyDriver>(), sink::<MyPublisher>());`
///
/// Once per library, at the root of the crate, whose `crate-type` is `["cdylib"]`.
#[macro_export]
macro_rules! export_plugin {
    ($($component:expr),+ $(,)?) => {
        const _: () = {
            use $crate::private::siphon_abi as abi;

            #[cfg(not(panic = "unwind"))]
            compile_error!("a plugin must be built with panic = \"unwind\": remove `panic = \"abort\"` from the profile, a panic in it would end siphon");

            #[unsafe(no_mangle)]
            static siphon_plugin_v1: abi::Handshake =
                $crate::export::handshake(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"), cfg!(panic = "unwind"));

            unsafe extern "C" fn init(host: abi::HostApi) -> abi::Res<abi::RVec<abi::Component>> {
                $crate::export::init(host, module_path!(), || vec![$($component),+])
            }

            fn module() -> abi::PluginRef {
                $crate::export::root_module(init)
            }

            extern "C" fn root() -> abi::abi_stable::library::RootModuleResult {
                abi::abi_stable::library::__call_root_module_loader(module)
            }

            // The name that abi_stable looks for; siphon-core's tests compare it with abi_stable's constant.
            #[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
            static LIBRARY_HEADER: abi::abi_stable::library::LibHeader = unsafe {
                // SAFETY: `root` returns the module of exactly this type.
                abi::abi_stable::library::LibHeader::from_constructor::<abi::PluginRef>(
                    root,
                    abi::abi_stable::library::CheckTypeLayout::Yes,
                )
            };
        };
    };
}
