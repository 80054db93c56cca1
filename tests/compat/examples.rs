//! The files in `config/` are accepted, and run.

use std::path::{Path, PathBuf};

use siphon_testkit::HttpBackend;
use siphon_tests::{Lab, Launch, Ran, eventually};

fn config_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config")
}

/// Every example, and the quickstart.
fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(config_folder().join("examples")).expect("the examples");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    // Beside them stands what they name: the types of a gRPC service.
    files.retain(|file| file.extension().is_some_and(|extension| extension != "pb" && extension != "proto"));
    files.push(config_folder().join("siphon.json"));
    // Its plugins are made by `tests/conformance/new_plugin.rs`, which checks and runs it with them.
    files.retain(|file| !file.ends_with("plugins.json"));
    files.sort();
    files
}

/// Puts the files that examples name into a lab, under the names that they use.
fn with_files(lab: Lab) -> Lab {
    let folders = std::fs::read_dir(config_folder().join("examples"))
        .expect("the examples")
        .map(|entry| entry.expect("one").path());
    for folder in folders.filter(|path| path.is_dir()) {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        std::fs::create_dir(lab.path(&name)).expect("a folder");
        for file in std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("a file")) {
            let inner = format!("{name}/{}", file.file_name().to_string_lossy());
            lab.write(&inner, std::fs::read(file.path()).expect("a file"));
        }
    }
    lab
}

#[track_caller]
fn checked(file: &Path) -> Ran {
    let name = file.file_name().expect("a name").to_string_lossy().into_owned();
    let driver = ["amqp", "kafka", "nats"].into_iter().find(|driver| name.starts_with(driver));
    let lab = with_files(driver.map_or_else(Lab::empty, |driver| Lab::empty().with_plugin(driver)));
    std::fs::copy(config_folder().join("examples/orders.pb"), lab.path("orders.pb")).expect("copied");
    lab.siphon(&["check", "-c", file.to_str().expect("text"), "--plugins", "plugins"])
}

#[test]
fn every_file_passes_check() {
    let files = files();
    assert!(files.len() > 9, "{files:?}");
    for file in files {
        let ran = checked(&file);
        assert_eq!(ran.status, 0, "{}: {ran:?}", file.display());
        assert!(ran.stdout.ends_with("the configuration is fine\n"), "{}: {ran:?}", file.display());
        // Two examples show what is told besides.
        let is_told_of = ["encodings.json", "amqp-dead-letter.json"].iter().any(|name| file.ends_with(name));
        assert_eq!(ran.stderr.is_empty(), !is_told_of, "{}: {ran:?}", file.display());
    }
}

#[test]
fn yaml_and_toml_say_the_same_as_json() {
    let examples = config_folder().join("examples");
    let json = checked(&examples.join("max-rate.json"));
    assert!(json.stdout.contains("2 at a time, each within 10s, at most 5 events/s"), "{json:?}");
    for twin in ["yaml.yaml", "toml.toml"] {
        assert_eq!(checked(&examples.join(twin)), json, "{twin}");
    }
}

#[test]
fn check_shows_what_a_workflow_has_inside() {
    let ran = checked(&config_folder().join("examples/workflow.json"));
    let expected = "\
    [+] workflow (json, group)
        workflow: is a pipe of its own in the place of a call
        calls 2 backends, all at once, merged:
        [+] POST http://127.0.0.1:8000/mails/{topic} (json)
        [+] POST http://127.0.0.1:8000/texts/{topic} (json)
    [+] POST http://127.0.0.1:8000/orders (json)
";
    assert!(ran.stdout.contains(expected), "{ran:?}");
}

/// Runs a file with a scripted backend in the place of all its hosts. Every agent must connect, and deliver an event
/// of `topic` to all of its backends.
#[track_caller]
fn check_run(name: &str, agents: &[(&str, &str, &[&str])]) {
    check_run_on(name, "{}", agents);
}

/// The same with an event of this payload.
#[track_caller]
fn check_run_on(name: &str, payload: &str, agents: &[(&str, &str, &[&str])]) {
    let backend = HttpBackend::start();
    let text = std::fs::read_to_string(config_folder().join("examples").join(name)).expect("the example");
    let text = ["8000", "8001", "8002"]
        .iter()
        .fold(text, |text, port| text.replace(&format!("http://127.0.0.1:{port}"), &backend.url()));
    let lab = Lab::empty();
    lab.write(name, text);
    let mut siphon = Launch::new(&lab).config(name).start();
    for (agent, topic, paths) in agents {
        let mut arguments = lab.arguments("publish", &["--agent", agent, "--topic", topic, payload]);
        arguments[2] = name;
        let ran = lab.siphon(&arguments);
        assert_eq!(ran.status, 0, "{ran:?}");
        for path in *paths {
            let what = format!("{agent} to call {path}; log {:#?}", siphon.log());
            eventually(&what, || backend.requests().iter().any(|one| one.path == *path).then_some(()));
        }
    }
    assert_eq!(siphon.stop(), 0);
}

#[test]
fn the_examples_do_what_they_say() {
    check_run(
        "parallel-merge.json",
        &[("new-customers", "customer.created", &["/crm/customers", "/newsletter/subscribers", "/audit"])],
    );
    check_run("filters.json", &[("prices", "price.changed", &["/prices", "/stock", "/shops"])]);
    check_run("sqlite-publish.json", &[("orders", "order.created", &["/ship/shipping.order.created"])]);
    check_run("retry.json", &[("invoices", "invoice.due", &["/invoices"])]);
    check_run("http-client.json", &[("orders", "orders", &["/v1/orders"]), ("mails", "mails", &["/mails"])]);
    check_run("limits.json", &[("texts", "text.send", &["/texts"])]);
    check_run("lookup-cache.json", &[("orders", "order.created", &["/customers/search", "/orders"])]);
    check_run("martian.json", &[("orders", "order.created", &["/orders"])]);
    check_run("backend-credentials.json", &[("orders", "order.created", &["/orders", "/audit", "/rates"])]);
    check_run(
        "workflow.json",
        &[("orders", "order.created", &["/customers/find", "/mails/order.created", "/texts/order.created", "/orders"])],
    );
    check_run("conditional.json", &[("orders", "order.created", &["/orders", "/audit"])]);
    check_run_on("checks.json", r#"{"total": 1}"#, &[("orders", "order.created", &["/orders"])]);
    check_run_on("json-schema.json", r#"{"id": 1}"#, &[("customers", "customer.changed", &["/customers"])]);
    check_run("max-rate.json", &[("sms", "sms.send", &["/sms"])]);
    check_run("yaml.yaml", &[("sms", "sms.send", &["/sms"])]);
    check_run("toml.toml", &[("sms", "sms.send", &["/sms"])]);
    check_run("flat-form.json", &[("cool-agent", "anything", &["/__debug"])]);
    check_run("static.json", &[("stock", "stock.changed", &["/warehouse"])]);
    check_run("shadow.json", &[("orders", "order.placed", &["/v1/orders", "/v2/orders"])]);
    check_run("flatmap.json", &[("people", "team.changed", &["/staff", "/guests"])]);
    check_run("sequential.json", &[("bookings", "trip.booked", &["/hotels"])]);
    check_run(
        "several-agents.json",
        &[
            ("orders", "order.created", &["/orders"]),
            ("mails", "mail.send", &["/mails"]),
            ("audit", "audit.entry", &["/audit"]),
        ],
    );
    check_run(
        "encodings.json",
        &[
            ("object", "object", &["/object"]),
            ("anything", "anything", &["/object-or-list"]),
            ("text", "text", &["/text"]),
            ("unread", "unread", &["/fire-and-forget"]),
        ],
    );
    check_run("graphql.json", &[("books", "book.added", &["/graphql/add", "/graphql/find"])]);
    check_run("body-generator.json", &[("orders", "order.created", &["/v2/orders"])]);
    check_run("body-extractor.json", &[("invoices", "invoice.due", &["/invoices"])]);
    check_run("jmespath.json", &[("parcels", "parcel.asked", &["/parcels/search"])]);
    check_run("response-body.json", &[("addresses", "address.changed", &["/addresses/normalise"])]);
    check_run("soap.json", &[("stock", "stock.asked", &["/stock.asmx"])]);
    check_run("xml.json", &[("cars", "car.new", &["/car.xml", "/news"])]);
    check_run(
        "topics.json",
        &[
            ("european-orders", "order.eu.berlin", &["/eu/order.eu.berlin"]),
            ("european-orders", "order.us.new.york", &["/america/order.us.new.york"]),
            ("american-orders", "order.ca", &["/america/order.ca"]),
        ],
    );
}

#[test]
fn a_static_backend_needs_no_server() {
    let name = "static-backend.json";
    let lab = Lab::empty();
    lab.write(name, std::fs::read_to_string(config_folder().join("examples").join(name)).expect("the example"));
    let mut arguments = lab.arguments("publish", &["--agent", "stubs", "--topic", "any", "{}"]);
    arguments[2] = name;
    assert_eq!(lab.siphon(&arguments).status, 0);
    lab.write("event", "{}");
    let invoked = lab.siphon(&[
        "invoke",
        "-c",
        name,
        "--plugins",
        "plugins",
        "--agent",
        "stubs",
        "--payload",
        "event",
        "--output",
        "json",
    ]);
    let expected = r##""data":{"stock":{"left":3,"price":1.50},"rate":{"-currency":"EUR","#text":"1.10"}}"##;
    assert!(invoked.stdout.replace(": ", ":").contains(expected), "{invoked:?}");
    let mut siphon = Launch::new(&lab).config(name).start();
    siphon.wait_for_agent("stubs", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
}

#[test]
fn the_quickstart_delivers_to_its_own_debug_endpoint() {
    let lab = Lab::empty();
    std::fs::create_dir(lab.path("target")).expect("a folder");
    let text = std::fs::read_to_string(config_folder().join("siphon.json")).expect("the quickstart");
    let mut siphon = Launch::new(&lab).start_with(|port| {
        lab.write("siphon.json", text.replace("127.0.0.1:8080", &format!("127.0.0.1:{port}")));
    });
    lab.publish("orders", ["{\"id\": 7}"]);
    siphon.wait_for_log(&["[SERVICE: Debug] request arrived method=POST url=/__debug body={\"id\": 7}"]);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.ask("PUT", "/__debug?answer=503").status, 200);
    lab.publish("orders", ["{\"id\": 8}"]);
    siphon.wait_for_log(&["event failed attempt=2", "invalid status code 503 [POST /__debug]"]);
    assert_eq!(siphon.ask("PUT", "/__debug?answer=200").status, 200);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 2);
    assert_eq!(siphon.stop(), 0);
}

#[test]
fn the_scripts_of_the_lua_example_do_what_they_say() {
    let backend = HttpBackend::start();
    let lab = with_files(Lab::empty());
    let text = std::fs::read_to_string(config_folder().join("examples/lua.json")).expect("the example");
    lab.write("lua.json", text.replace("http://127.0.0.1:8000", &backend.url()));
    lab.write("good", r#"{"id": 1700000000123456, "customer": "c 1"}"#);
    lab.write("bad", r#"{"id": 8}"#);
    let shared = ["invoke", "-c", "lua.json", "--plugins", "plugins", "--agent", "orders", "--output", "json"];
    let invoked = lab.siphon(&[&shared[..], &["--payload", "good", "--payload", "bad"]].concat());
    assert_eq!(invoked.status, 3, "{invoked:?}");
    let lines: Vec<_> = invoked.stdout.lines().map(|line| line.replace(": ", ":")).collect();
    assert!(lines[0].contains(r#""outcome":"ack""#) && lines[0].contains(r#""from":"shop""#), "{lines:?}");
    assert!(lines[1].contains(r#""outcome":"nack""#) && lines[1].contains("an order needs a customer"), "{lines:?}");
    let calls = backend.requests();
    let told = (calls[0].header("x-order"), calls[0].header("x-customer"));
    assert_eq!((calls.len(), told), (1, (Some("order-1700000000123456"), Some("c 1"))));
}
