//! `dps enrollment`.

use super::members::{Slots, attestation, object, replace_keys};
use super::{connect, failed, page_size, shown};
use crate::arguments::service::{Common, Device, Enrollment as Command};
use crate::failure::Failure;
use dps_service::IndividualEnrollment;

/// What a list shows of each.
const COLUMNS: [&str; 4] = ["/registrationId", "/provisioningStatus", "/attestation/type", "/etag"];

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Create(options) => {
            let endorsement_key = options.endorsement_key.as_deref();
            let proof = attestation(&options.proof, endorsement_key, false)?;
            let mut item = IndividualEnrollment::new(options.enrollment_id.as_str(), proof);
            fill(&mut item, &options.common)?;
            describe(&mut item, &options.device)?;
            let created = connect(&options.login)?.enrollments().create(&item);
            shown::one(&created.map_err(|error| failed(&error))?, options.login.json)
        }
        Command::Show(options) => {
            let client = connect(&options.login)?;
            let all = client.enrollments();
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
                .enrollments()
                .list(page_size(options.top))
                .take(options.top.unwrap_or(usize::MAX));
            let found: Vec<IndividualEnrollment> =
                found.collect::<Result<_, _>>().map_err(|error| failed(&error))?;
            shown::all(&found, &COLUMNS, options.login.json)
        }
        Command::Update(options) => {
            let change = &options.change;
            let client = connect(&change.login)?;
            let all = client.enrollments();
            let mut item = all.get(&options.enrollment_id).map_err(|error| failed(&error))?;
            fill(&mut item, &change.common)?;
            describe(&mut item, &options.device)?;
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
                client.enrollments().delete(&options.enrollment_id, options.etag.as_deref());
            deleted.map_err(|error| failed(&error))?;
            shown::deleted("The enrollment", &options.enrollment_id, options.login.json);
            Ok(())
        }
    }
}

fn fill(item: &mut IndividualEnrollment, options: &Common) -> Result<(), Failure> {
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

fn describe(item: &mut IndividualEnrollment, options: &Device) -> Result<(), Failure> {
    if let Some(device_id) = &options.device_id {
        item.device_id = Some(device_id.clone());
    }
    if let Some(text) = &options.device_information {
        let information = object(text, "--device-information")?;
        item.optional_device_information = Some(information.into());
    }
    Ok(())
}
