//! `dps fault`.

use super::{connect, failed, shown};
use crate::arguments::fault::{AddFault, Fault as Command, Form, Kind, Operation, Transport};
use crate::failure::Failure;
use crate::output;
use dps_service::Error;
use dps_service::local::Fault;
use serde_json::{Value, json};

/// What a list shows of each.
const COLUMNS: [(&str, &str); 8] = [
    ("name", "/name"),
    ("kind", "/kind"),
    ("with", "/with"),
    ("whom", "/whom"),
    ("transport", "/transport"),
    ("operation", "/operation"),
    ("struck", "/struck"),
    ("of", "/count"),
];

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Add(options) => {
            let set = connect(&options.login)?.local().faults().set(&fault(options));
            shown::one(&set.map_err(|error| refused(&error))?, options.login.json)
        }
        Command::List(options) => {
            let found = connect(&options.login)?.local().faults().list();
            let found = found.map_err(|error| refused(&error))?;
            if options.login.json {
                return shown::list(&found);
            }
            shown::table(&found.iter().map(row).collect::<Vec<_>>(), &COLUMNS, false)
        }
        Command::Remove(options) => {
            let removed = connect(&options.login)?.local().faults().remove(&options.name);
            removed.map_err(|error| refused(&error))?;
            shown::deleted("The fault", &options.name, options.login.json);
            Ok(())
        }
        Command::Clear(options) => {
            connect(&options.login)?.local().faults().clear().map_err(|error| refused(&error))?;
            if !options.login.json {
                output::line("There are no faults any more.");
            }
            Ok(())
        }
    }
}

fn refused(error: &Error) -> Failure {
    let failure = failed(error);
    match error.service().map(|service| service.status) {
        Some(404) => failure.remedy(
            "dps fault list shows the faults there are; only the local service (dps emulator) has any",
        ),
        Some(401) => failure.remedy(
            "use the connection string of a policy with the right ServiceConfig, for example the one that dps emulator prints",
        ),
        _ => failure,
    }
}

/// A fault as a line of a list.
fn row(fault: &Fault) -> Value {
    let with: Vec<String> = [
        fault.delay_ms.map(|delay| format!("{delay} ms")),
        fault.status.map(|status| status.to_string()),
        fault.retry_after_seconds.map(|pause| format!("retry after {pause} s")),
        fault.after_bytes.map(|bytes| format!("after {bytes} bytes")),
        fault.form.clone(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let whom = [
        ("device", &fault.registration_id),
        ("enrollment", &fault.enrollment),
        ("group", &fault.enrollment_group_id),
    ]
    .into_iter()
    .find_map(|(what, name)| name.as_ref().map(|name| format!("{what} {name}")));
    let with = Some(with.join(", ")).filter(|with| !with.is_empty());
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    json!({
        "name": fault.name,
        "kind": fault.kind,
        "with": or_none(with),
        "whom": whom.unwrap_or_else(|| "everything".to_owned()),
        "transport": or_none(fault.transport.clone()),
        "operation": or_none(fault.operation.clone()),
        "struck": fault.struck.unwrap_or_default(),
        "count": or_none(fault.count.map(|count| count.to_string())),
    })
}

/// What is said on the command line, in the service's words.
fn fault(options: &AddFault) -> Fault {
    let kind = match options.kind {
        Kind::Delay => "delay",
        Kind::Throttle => "throttle",
        Kind::ServerError => "serverError",
        Kind::Drop => "drop",
        Kind::NeverAnswer => "neverAnswer",
        Kind::Malformed => "malformed",
    };
    let transport = options.transport.map(|transport| match transport {
        Transport::Mqtt => "mqtt",
        Transport::MqttWs => "mqtt-ws",
        Transport::Amqp => "amqp",
        Transport::AmqpWs => "amqp-ws",
        Transport::Https => "https",
    });
    let operation = options.operation.map(|operation| match operation {
        Operation::Connect => "connect",
        Operation::Register => "register",
        Operation::Poll => "poll",
    });
    let form = options.form.map(|form| match form {
        Form::NotJson => "notJson",
        Form::TruncatedJson => "truncatedJson",
        Form::WrongMembers => "wrongMembers",
        Form::Empty => "empty",
    });
    let mut fault = Fault::new(options.name.as_str(), kind);
    fault.registration_id = options.registration_id.clone();
    fault.enrollment = options.enrollment.clone();
    fault.enrollment_group_id = options.enrollment_group.clone();
    fault.transport = transport.map(str::to_owned);
    fault.operation = operation.map(str::to_owned);
    fault.count = options.count;
    fault.delay_ms = options.delay_ms;
    fault.status = options.status;
    fault.retry_after_seconds = options.retry_after;
    fault.after_bytes = options.after_bytes;
    fault.form = form.map(str::to_owned);
    fault
}
