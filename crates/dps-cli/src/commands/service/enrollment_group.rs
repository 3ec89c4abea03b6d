//! `dps enrollment-group`.

use super::members::{Slots, attestation, replace_keys};
use super::{connect, failed, page_size, shown};
use crate::arguments::service::{Common, EnrollmentGroup as Command};
use crate::failure::Failure;
use crate::{exit, output};
use dps_client::RegistrationId;
use dps_service::EnrollmentGroup;

/// What a list shows of each.
const COLUMNS: [&str; 4] =
    ["/enrollmentGroupId", "/provisioningStatus", "/attestation/type", "/etag"];

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Create(options) => {
            let proof = attestation(&options.proof, None, true)?;
            let mut item = EnrollmentGroup::new(options.enrollment_id.as_str(), proof);
            fill(&mut item, &options.common)?;

            let created = connect(&options.login)?.enrollment_groups().create(&item);
            shown::one(&created.map_err(|error| failed(&error))?, options.login.json)
        }
        Command::Show(options) => {
            let client = connect(&options.login)?;
            let all = client.enrollment_groups();
            let mut item = all.get(&options.enrollment_id).map_err(|error| failed(&error))?;
            if options.show_keys {
                let mechanism = all.attestation_mechanism(&options.enrollment_id);
                item.attestation = mechanism.map_err(|error| failed(&error))?;
            }
            shown::one(&item, options.login.json)
        }
        Command::List(options) => {
            let client = connect(&options.login)?;
            let found = client
                .enrollment_groups()
                .list(page_size(options.top))
                .take(options.top.unwrap_or(usize::MAX));
            let found: Vec<EnrollmentGroup> =
                found.collect::<Result<_, _>>().map_err(|error| failed(&error))?;
            shown::all(&found, &COLUMNS, options.login.json)
        }
        Command::Update(options) => {
            let change = &options.change;
            let client = connect(&change.login)?;
            let all = client.enrollment_groups();
            let mut item = all.get(&options.enrollment_id).map_err(|error| failed(&error))?;
            fill(&mut item, &change.common)?;

            replace_keys(&mut item.attestation, change)?;
            if change.etag.is_some() {
                item.etag = change.etag.clone();
            }
            let updated = all.update(&item).map_err(|error| failed(&error))?;
            shown::one(&updated, change.login.json)
        }
        Command::Delete(options) => {
            let client = connect(&options.login)?;
            let deleted =
                client.enrollment_groups().delete(&options.enrollment_id, options.etag.as_deref());
            deleted.map_err(|error| failed(&error))?;
            shown::deleted("The enrollment group", &options.enrollment_id, options.login.json);
            Ok(())
        }
        Command::ComputeDeviceKey(options) => {
            let id = RegistrationId::new(options.registration_id.as_str())?;
            let client = connect(&options.login)?;
            let mechanism =
                client.enrollment_groups().attestation_mechanism(&options.enrollment_id);
            let keys = mechanism.map_err(|error| failed(&error))?.symmetric_key;
            let key = keys.and_then(|keys| keys.primary_key).ok_or_else(|| {
                Failure::new(exit::CONFIG, "the group has no symmetric keys")
                    .remedy("devices of a group with certificates need no key from the service")
            })?;
            let key = key.derive(&id).to_base64();
            match options.login.json {
                true => output::line(serde_json::json!(key.as_str())),
                false => output::line(key.as_str()),
            }
            Ok(())
        }
    }
}

fn fill(item: &mut EnrollmentGroup, options: &Common) -> Result<(), Failure> {
    let slots = Slots {
        capabilities: &mut item.capabilities,
        allocation_policy: &mut item.allocation_policy,
        iot_hubs: &mut item.iot_hubs,
        iot_hub_host_name: &mut item.iot_hub_host_name,
        webhook: &mut item.custom_allocation_definition,
        initial_twin: &mut item.initial_twin,
        reprovision_policy: &mut item.reprovision_policy,
        provisioning_status: &mut item.provisioning_status,
    };
    slots.fill(options)
}
