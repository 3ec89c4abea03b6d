//! What a program is told, situation by situation and transport by transport (`c-abi.md` section
//! 3.4). Each row has what was observed of the original and what libdps does; where the two differ,
//! it says why. docs/c-contracts.md refers to the rows by their names.

use super::{Proof, Rig, TRANSPORTS, in_parallel};
use dps_tests::{Answer, Fate, TamperingRelay};

/// One situation. The outcomes are those over MQTT, HTTP and AMQP; over WebSockets they are those of
/// the protocol within. C, A: the status callback with CONNECTED, ASSIGNING; a number: the register
/// callback with this result; several registrations are separated by spaces. "R5": Register itself
/// gives 5. "-": does not occur; "...": never ends.
pub(super) struct Row {
    pub(super) situation: &'static str,
    service: Service,
    /// provisioning_timeout in seconds.
    timeout: u8,
    rounds: usize,
    original: [&'static str; 3],
    ours: [&'static str; 3],
    /// Why they differ; empty when they do not.
    why: &'static str,
    /// How many register requests and polls go out in all, over MQTT, where it matters.
    requests: Option<(usize, usize)>,
}

/// Who answers.
#[derive(Clone, Copy)]
enum Service {
    /// The local service, and somebody in between.
    Tampered(fn(&Answer<'_>) -> Fate),
    /// The same with an ID scope that is not the service's.
    OtherScope,
    /// The same with a certificate that the device does not trust.
    Untrusted,
    /// Nobody listens.
    Nobody,
    /// Something that closes every connection at once.
    ClosesAtOnce,
}
use Service::{ClosesAtOnce, Nobody, OtherScope, Tampered, Untrusted};

const ROW: Row = Row {
    situation: "",
    service: Nobody,
    timeout: 0,
    rounds: 1,
    original: [""; 3],
    ours: [""; 3],
    why: "",
    requests: None,
};

const ONE_CODE_OVER_AMQP: &str = "a refusal over AMQP has one code, that of a rejected delivery, \
    also when it comes as a message";

const ASSIGNED: &str =
    r#"{"status":"assigned","registrationState":{"assignedHub":"h.x","deviceId":"d"}}"#;

/// The first document becomes another.
fn first(answer: &Answer<'_>, status: u16, document: &str) -> Fate {
    nth(answer, 0, status, document)
}

/// The answer to the first poll becomes another.
fn second(answer: &Answer<'_>, status: u16, document: &str) -> Fate {
    nth(answer, 1, status, document)
}

fn nth(answer: &Answer<'_>, number: usize, status: u16, document: &str) -> Fate {
    match answer.document {
        Some((n, _)) if n == number => Fate::Become(status, document.into()),
        _ => Fate::Pass,
    }
}

fn always(answer: &Answer<'_>, status: u16, document: &str) -> Fate {
    match answer.document {
        Some(_) => Fate::Become(status, document.into()),
        None => Fate::Pass,
    }
}

pub(super) fn rows() -> Vec<Row> {
    let same = |situation, service, outcomes: [&'static str; 3]| Row {
        situation,
        service,
        original: outcomes,
        ours: outcomes,
        ..ROW
    };
    vec![
        Row {
            requests: Some((1, 1)),
            ..same("assigning, then assigned", Tampered(|_| Fate::Pass), ["CA0"; 3])
        },
        Row {
            requests: Some((1, 0)),
            ..same("assigned at once", Tampered(|a| first(a, 200, ASSIGNED)), ["C0"; 3])
        },
        Row {
            requests: Some((1, 3)),
            ..same(
                "several times assigning",
                Tampered(|answer| match answer.document {
                    Some((1 | 2, text)) => {
                        let id = text.split('"').nth(3).unwrap();
                        let again = format!(r#"{{"operationId":"{id}","status":"assigning"}}"#);
                        Fate::Become(202, again)
                    }
                    _ => Fate::Pass,
                }),
                ["CAAA0"; 3],
            )
        },
        Row {
            situation: "register: 401 with its document",
            service: Tampered(|a| first(a, 401, r#"{"errorCode":401002,"message":"no"}"#)),
            original: ["C7"; 3],
            ours: ["C7", "C7", "C5"],
            why: ONE_CODE_OVER_AMQP,
            ..ROW
        },
        Row {
            situation: "register: 404 with its document",
            service: Tampered(|a| first(a, 404, r#"{"errorCode":404001,"message":"no"}"#)),
            original: ["C7", "C5", "C7"],
            ours: ["C7", "C5", "C5"],
            why: ONE_CODE_OVER_AMQP,
            ..ROW
        },
        Row {
            situation: "poll: 400 with its document",
            service: Tampered(|a| second(a, 400, r#"{"errorCode":400003,"message":"no"}"#)),
            original: ["CA7", "CA5", "CA7"],
            ours: ["CA7", "CA5", "CA5"],
            why: ONE_CODE_OVER_AMQP,
            ..ROW
        },
        same("register: 401 without a document", Tampered(|a| first(a, 401, "")), ["C5"; 3]),
        Row {
            situation: "429 for ever, with a timeout",
            service: Tampered(|a| always(a, 429, r#"{"errorCode":429001,"message":"slow"}"#)),
            timeout: 3,
            original: ["C...", "C...", "C7"],
            ours: ["C8"; 3],
            why: "[9] [12] a timeout limits requests with all their repetitions; AMQP knows throttling",
            ..ROW
        },
        Row {
            situation: "500 for ever, with a timeout",
            service: Tampered(|a| always(a, 500, r#"{"errorCode":500001,"message":"oops"}"#)),
            timeout: 3,
            original: ["C...", "C...", "C7"],
            ours: ["C8"; 3],
            why: "[9] [12] as above",
            ..ROW
        },
        Row {
            situation: "429 once",
            service: Tampered(|a| first(a, 429, r#"{"errorCode":429001,"message":"slow"}"#)),
            original: ["CA0", "CA0", "C7"],
            ours: ["CA0"; 3],
            why: "[12] AMQP knows throttling",
            requests: Some((2, 1)),
            ..ROW
        },
        same("disabled", Tampered(|a| first(a, 200, r#"{"status":"disabled"}"#)), ["C13"; 3]),
        same("blacklisted", Tampered(|a| first(a, 200, r#"{"status":"blacklisted"}"#)), ["C10"; 3]),
        same(
            "failed with 400208",
            Tampered(|a| {
                second(
                    a,
                    200,
                    r#"{"operationId":"1","status":"failed","registrationState":{"errorCode":400208}}"#,
                )
            }),
            ["CA11"; 3],
        ),
        same(
            "failed with 400209",
            Tampered(|a| {
                second(
                    a,
                    200,
                    r#"{"operationId":"1","status":"failed","registrationState":{"errorCode":400209}}"#,
                )
            }),
            ["CA12"; 3],
        ),
        same(
            "failed with another code",
            Tampered(|a| {
                second(
                    a,
                    200,
                    r#"{"operationId":"1","status":"failed","registrationState":{"errorCode":400207}}"#,
                )
            }),
            ["CA7"; 3],
        ),
        same(
            "failed without a code",
            Tampered(|a| second(a, 200, r#"{"operationId":"1","status":"failed"}"#)),
            ["CA7"; 3],
        ),
        same(
            "a status that there is not",
            Tampered(|a| first(a, 200, r#"{"operationId":"1","status":"odd"}"#)),
            ["C7"; 3],
        ),
        same(
            "a reply that is no JSON",
            Tampered(|a| first(a, 202, r#"{"operationId" nonsense"#)),
            ["C5"; 3],
        ),
        same(
            "a reply that is an array",
            Tampered(|a| first(a, 202, r#"[{"status":"assigned"}]"#)),
            ["C5"; 3],
        ),
        same("an empty reply", Tampered(|a| first(a, 202, "")), ["C5"; 3]),
        same(
            "assigning without an operation id",
            Tampered(|a| first(a, 202, r#"{"status":"assigning"}"#)),
            ["C4"; 3],
        ),
        same(
            "assigned without a device id",
            Tampered(|a| {
                first(
                    a,
                    200,
                    r#"{"operationId":"1","status":"assigned","registrationState":{"assignedHub":"h.x"}}"#,
                )
            }),
            ["C4"; 3],
        ),
        same(
            "assigned without a hub",
            Tampered(|a| {
                first(
                    a,
                    200,
                    r#"{"operationId":"1","status":"assigned","registrationState":{"deviceId":"d"}}"#,
                )
            }),
            ["C4"; 3],
        ),
        same(
            "assigned without a state",
            Tampered(|a| first(a, 200, r#"{"operationId":"1","status":"assigned"}"#)),
            ["C4"; 3],
        ),
        Row {
            situation: "another ID scope",
            service: OtherScope,
            // The service answers over HTTP with 404.
            original: ["7", "C5", "5"],
            ours: ["7", "C5", "5"],
            ..ROW
        },
        same(
            "CONNACK 5",
            Tampered(|_| Fate::Replace(&[0x20, 2, 0, 0], &[0x20, 2, 0, 5])),
            ["7", "-", "-"],
        ),
        same(
            "SUBACK with a failure",
            Tampered(|_| Fate::Replace(&[0x90, 3, 0, 1, 1], &[0x90, 3, 0, 1, 0x80])),
            ["C5", "-", "-"],
        ),
        Row {
            situation: "unassigned without its members",
            service: Tampered(|a| first(a, 200, r#"{"operationId":"1","status":"unassigned"}"#)),
            original: ["C5", "C4", "C5"],
            ours: ["C4"; 3],
            why: "a reply that lacks members is one over every transport",
            ..ROW
        },
        same("the connection ends after CONNECT or open", Tampered(|_| Fate::Cut), ["5", "-", "5"]),
        same(
            "the connection ends after register",
            Tampered(|a| if a.document.is_some() { Fate::Drop } else { Fate::Pass }),
            ["C5"; 3],
        ),
        same(
            "the connection ends after a poll",
            Tampered(|a| match a.document {
                // The connections after the first carry on with the poll.
                Some((1, _)) => Fate::Drop,
                Some((0, _)) if a.connection > 0 => Fate::Drop,
                _ => Fate::Pass,
            }),
            ["CA5"; 3],
        ),
        Row {
            timeout: 3,
            ..same(
                "no reply, with a timeout",
                Tampered(|a| if a.document.is_some() { Fate::Silence } else { Fate::Pass }),
                ["C8"; 3],
            )
        },
        Row {
            situation: "nobody listens",
            service: Nobody,
            original: ["5", "R5", "5"],
            ours: ["5"; 3],
            why: "[2] no I/O in Register; passes afterwards are harmless",
            ..ROW
        },
        Row {
            situation: "a certificate that is not trusted",
            service: Untrusted,
            original: ["5", "5", "..."],
            ours: ["5"; 3],
            why: "[13] a failure of TLS ends the registration",
            ..ROW
        },
        Row {
            situation: "the connection ends within TLS",
            service: ClosesAtOnce,
            original: ["5", "5", "..."],
            ours: ["5"; 3],
            why: "[13] a failure of TLS ends the registration",
            ..ROW
        },
        Row {
            situation: "registering again after assigning",
            service: Tampered(|_| Fate::Pass),
            rounds: 2,
            original: ["CA0 C5", "CA0 C5", "CA0 C5"],
            ours: ["CA0 CA0"; 3],
            why: "[4] an operation id belongs to its registration",
            requests: Some((2, 2)),
            ..ROW
        },
        Row {
            situation: "disabled, then a reply that is no JSON",
            // Each registration has one connection.
            service: Tampered(|answer| match answer.connection {
                0 => first(answer, 200, r#"{"status":"disabled"}"#),
                _ => first(answer, 202, "nonsense"),
            }),
            rounds: 2,
            original: ["C13 C13"; 3],
            ours: ["C13 C5"; 3],
            why: "[5] each registration has its own outcome",
            ..ROW
        },
    ]
}

/// Which of a row's outcomes is this transport's.
fn column(transport: &str) -> usize {
    match transport {
        "mqtt" | "mqtt-ws" => 0,
        "http" => 1,
        _ => 2,
    }
}

/// Whether the outcome is the expected one, or does not occur.
fn check(rig: &Rig, through: &[String], row: &Row, transport: &str) -> Result<(), String> {
    let expected = row.ours[column(transport)];
    if expected == "-" {
        return Ok(());
    }
    let target = rig.address(transport);
    let trust = rig.emulator.ca_pem();
    let tamper = match row.service {
        Tampered(tamper) => tamper,
        _ => |_: &Answer<'_>| Fate::Pass,
    };
    let relay = TamperingRelay::start(target, trust, tamper);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = match row.service {
        Nobody | ClosesAtOnce => closed.local_addr().unwrap(),
        _ => relay.address(),
    };
    match row.service {
        Nobody => drop(closed),
        ClosesAtOnce => {
            std::thread::spawn(move || closed.incoming().take(3).for_each(drop));
        }
        _ => {}
    }
    let trusted = if matches!(row.service, Untrusted) { trust } else { relay.ca_pem() };
    let scope =
        if matches!(row.service, OtherScope) { "0ne99999999" } else { rig.emulator.id_scope() };
    let finished = rig.outcome(
        through,
        transport,
        address,
        trusted,
        scope,
        Proof::Key,
        row.timeout,
        row.rounds,
    );
    let stories: Vec<&str> =
        finished.stdout.lines().filter_map(|line| line.strip_prefix("story ")).collect();
    let told = stories.join(" ");
    // Within a WebSocket the CONNACK may share its frame with the reply that does not arrive.
    let silent = row.situation.starts_with("no reply") && transport.ends_with("-ws");
    let is_expected = told == expected || silent && format!("C{told}") == expected;
    if finished.code != Some(0) || !is_expected {
        return Err(format!(
            "{} over {transport}: {told:?}, expected {expected:?}\n{}{}",
            row.situation, finished.stdout, finished.stderr
        ));
    }
    // Each failure has its reason.
    let reasons = finished.stdout.lines().filter(|line| line.starts_with("reason ")).count();
    let failures =
        told.split(' ').filter(|story| !story.ends_with('0') || story.ends_with("10")).count();
    if reasons != failures {
        return Err(format!("{} over {transport}: {reasons} reasons", row.situation));
    }
    if let (Some(requests), "mqtt" | "http" | "amqp") = (row.requests, transport)
        && relay.requests() != requests
    {
        let seen = relay.requests();
        return Err(format!("{} over {transport}: {seen:?} requests", row.situation));
    }
    Ok(())
}

#[test]
fn every_situation_ends_as_the_table_says() {
    let rig = Rig::new("situations");
    let rows = rows();
    for row in &rows {
        assert_eq!(row.original == row.ours, row.why.is_empty(), "{}", row.situation);
    }
    let cells: Vec<(&Row, &str)> =
        rows.iter().flat_map(|row| TRANSPORTS.map(|transport| (row, transport))).collect();
    // Most of it is waiting.
    in_parallel(&cells, 12, |(row, transport)| check(&rig, &[], row, transport));
}

/// Checks some cells through another program, such as valgrind.
pub(super) fn leaks(rig: &Rig, through: &[String]) {
    let rows = rows();
    let fails = |row: &&Row| !row.ours.concat().contains('0') && row.timeout == 0;
    // One after the other, so that each has its turn.
    let mut transports = ["http", "amqp", "mqtt-ws"].into_iter().cycle();
    let cells: Vec<(&Row, &str)> = rows
        .iter()
        .filter(fails)
        .filter_map(|row| Some((row, transports.find(|name| row.ours[column(name)] != "-")?)))
        .collect();
    assert!(cells.len() > 15, "{}", cells.len());
    // Each is busy, unlike the others.
    in_parallel(&cells, 3, |(row, transport)| check(rig, through, row, transport));
}
