//! `dps fault`.

use super::{connect, failed, shown};
use crate::arguments::fault::{AddFault, Fault as Command, Form, Kind, Operation, Transport};
use crate::failure::Failure;
use crate::output;
use dps_service::local::Fault;

/// What a list shows of each.
const COLUMNS: [&str; 9] = [
    "/name",
    "/kind",
    "/struck",
    "/count",
    "/operation",
    "/transport",
    "/registrationId",
    "/enrollment",
    "/enrollmentGroupId",
];

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Add(options) => {
            let set = connect(&options.login)?.local().faults().set(&fault(options));
            shown::one(&set.map_err(|error| failed(&error))?, options.login.json)
        }
        Command::List(options) => {
            let found = connect(&options.login)?.local().faults().list();
            shown::all(&found.map_err(|error| failed(&error))?, &COLUMNS, options.login.json)
        }
        Command::Remove(options) => {
            let removed = connect(&options.login)?.local().faults().remove(&options.name);
            removed.map_err(|error| failed(&error))?;
            shown::deleted("The fault", &options.name, options.login.json);
            Ok(())
        }
        Command::Clear(options) => {
            connect(&options.login)?.local().faults().clear().map_err(|error| failed(&error))?;
            if !options.login.json {
                output::line("There are no faults any more.");
            }
            Ok(())
        }
    }
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
