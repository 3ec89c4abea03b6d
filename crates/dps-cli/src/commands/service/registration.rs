//! `dps registration`.

use super::{connect, failed, page_size, shown};
use crate::arguments::service::Registration as Command;
use crate::failure::Failure;
use dps_service::DeviceRegistrationState;

/// What a list shows of each.
const COLUMNS: [&str; 5] =
    ["/registrationId", "/status", "/substatus", "/assignedHub", "/deviceId"];

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::List(options) => {
            let client = connect(&options.login)?;
            let found =
                client.registrations().of_group(&options.enrollment_id, page_size(options.top));
            let found = found.take(options.top.unwrap_or(usize::MAX));
            let found: Vec<DeviceRegistrationState> =
                found.collect::<Result<_, _>>().map_err(|error| failed(&error))?;
            shown::all(&found, &COLUMNS, options.login.json)
        }
        Command::Show(options) => {
            let found = connect(&options.login)?.registrations().get(&options.registration_id);
            shown::one(&found.map_err(|error| failed(&error))?, options.login.json)
        }
        Command::Delete(options) => {
            let client = connect(&options.login)?;
            let (id, etag) = (&options.registration_id, options.etag.as_deref());
            client.registrations().delete(id, etag).map_err(|error| failed(&error))?;
            shown::deleted("The registration of", id, options.login.json);
            Ok(())
        }
    }
}
