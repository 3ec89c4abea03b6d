//! `dps x509 simulate`: the certificates of a device that does not exist.

use super::is_same;
use crate::arguments::Simulate;
use crate::commands::made::{self, New, refuse_existing};
use crate::exit;
use crate::failure::Failure;
use crate::{key_source, output};
use dps_client::RegistrationId;
use dps_hsm_dice::{DiceError, Factory};
use std::path::Path;
use zeroize::Zeroizing;

pub(crate) fn run(options: &Simulate) -> Result<(), Failure> {
    let id = RegistrationId::new(options.registration_id.as_str())?;
    let seed = match (&options.seed, &options.seed_file) {
        (Some(text), _) => Zeroizing::new(text.as_bytes().to_vec()),
        (None, Some(path)) => key_source::first_line("seed", path)?,
        (None, None) => Zeroizing::default(),
    };
    let factory = Factory::new(&seed).map_err(|error| refused(&error))?;
    let device = factory.device(&id).map_err(|error| refused(&error))?;
    let (chain, key, root_key) = (device.chain(), device.alias_key(), factory.root_key());
    let mut news = vec![
        ("Certificate", &options.out, chain.as_bytes(), false),
        ("Private key", &options.key_out, key.as_bytes(), true),
    ];
    if let Some(path) = &options.root_out {
        news.push(("Root", path, factory.root_certificate().as_bytes(), false));
    }
    if let Some(path) = &options.root_key_out {
        news.push(("Root's key", path, root_key.as_bytes(), true));
    }
    let paths: Vec<&Path> = news.iter().map(|(_, path, ..)| path.as_path()).collect();
    for (index, path) in paths.iter().enumerate() {
        if paths.iter().skip(index + 1).any(|other| is_same(path, other)) {
            return Err(Failure::new(exit::CONFIG, format!("{} is named twice", path.display()))
                .remedy("give each file a name of its own"));
        }
    }
    refuse_existing(&paths, options.force)?;
    let files: Vec<New<'_>> =
        news.iter().map(|&(_, path, bytes, secret)| New { path, bytes, secret }).collect();
    made::write_all(&files, options.force)?;
    for (what, path, ..) in &news {
        output::line(format_args!("{what:<12} {}", path.display()));
    }
    Ok(())
}

fn refused(error: &DiceError) -> Failure {
    let failure = Failure::new(exit::CONFIG, "no certificates were made").why(error);
    match error {
        DiceError::SeedTooShort { .. } => failure.remedy("give a longer seed"),
        DiceError::NameLength { .. } => failure.remedy("give a shorter --registration-id"),
        _ => failure,
    }
}
