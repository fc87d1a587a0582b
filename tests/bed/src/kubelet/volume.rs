//! A Pod's volumes as folders: written before its containers start, and again as Secrets and ConfigMaps change.

use super::resolve::{Entries, Resolver, field};
use anyhow::Context as _;
use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, KeyToPath, Volume, VolumeProjection};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Writes all of a Pod's volumes into folders of their names below `folder`.
///
/// # Errors
/// When one refers to what is not there, or is of a kind that the bed does not know.
pub(super) async fn write_all(resolver: &Resolver, folder: &Path) -> anyhow::Result<()> {
    let spec = resolver.pod().spec.as_ref().context("a pod has a spec")?;
    for volume in spec.volumes.iter().flatten() {
        let folder = folder.join(&volume.name);
        let written = write_one(resolver, volume, &folder).await;
        written.with_context(|| format!("volume {}", volume.name))?;
    }
    Ok(())
}

async fn write_one(resolver: &Resolver, volume: &Volume, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    if volume.empty_dir.is_some() {
        // Whoever a container runs as may write.
        return Ok(std::fs::set_permissions(
            folder,
            Permissions::from_mode(0o777),
        )?);
    }
    let files = files(resolver, volume, folder).await?;
    files
        .iter()
        .try_for_each(|(path, content)| write(&folder.join(path), content))
}

async fn files(resolver: &Resolver, volume: &Volume, folder: &Path) -> anyhow::Result<Entries> {
    if let Some(from) = &volume.secret {
        let name = from
            .secret_name
            .as_deref()
            .context("a secret volume has a name")?;
        return chosen(
            resolver.secret(name, from.optional).await?,
            from.items.as_deref(),
        );
    }
    if let Some(from) = &volume.config_map {
        return chosen(
            resolver.config_map(&from.name, from.optional).await?,
            from.items.as_deref(),
        );
    }
    if let Some(from) = &volume.downward_api {
        return downward(resolver, from.items.as_deref());
    }
    let projected = volume
        .projected
        .as_ref()
        .context("the bed does not know this kind")?;
    let mut all = Entries::new();
    for source in projected.sources.iter().flatten() {
        all.extend(projection(resolver, source, folder).await?);
    }
    Ok(all)
}

async fn projection(
    resolver: &Resolver,
    source: &VolumeProjection,
    folder: &Path,
) -> anyhow::Result<Entries> {
    if let Some(from) = &source.secret {
        return chosen(
            resolver.secret(&from.name, from.optional).await?,
            from.items.as_deref(),
        );
    }
    if let Some(from) = &source.config_map {
        return chosen(
            resolver.config_map(&from.name, from.optional).await?,
            from.items.as_deref(),
        );
    }
    if let Some(from) = &source.downward_api {
        return downward(resolver, from.items.as_deref());
    }
    let asked = source.service_account_token.as_ref();
    let asked = asked.context("the bed does not know this source")?;
    // One token is enough for as long as a bed lives: the API server makes them last a year.
    if folder.join(&asked.path).exists() {
        return Ok(Entries::new());
    }
    let token = resolver.token(asked).await?;
    Ok(Entries::from([(asked.path.clone(), token.into_bytes())]))
}

/// All entries, or those that are asked for, under the paths that are asked for.
fn chosen(mut entries: Entries, items: Option<&[KeyToPath]>) -> anyhow::Result<Entries> {
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        return Ok(entries);
    };
    let chosen = items.iter().map(|item| {
        let content = entries.remove(&item.key);
        Ok((
            item.path.clone(),
            content.with_context(|| format!("no key {}", item.key))?,
        ))
    });
    chosen.collect()
}

fn downward(
    resolver: &Resolver,
    items: Option<&[DownwardAPIVolumeFile]>,
) -> anyhow::Result<Entries> {
    let items = items.unwrap_or_default().iter().map(|item| {
        let reference = item
            .field_ref
            .as_ref()
            .context("the bed knows fields only")?;
        let value = field(resolver.pod(), resolver.address(), &reference.field_path)?;
        Ok((item.path.clone(), value.into_bytes()))
    });
    items.collect()
}

/// Replaces a file as a whole, if it changes.
fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    if std::fs::read(path).is_ok_and(|now| now == content) {
        return Ok(());
    }
    let folder = path.parent().context("a file is in a folder")?;
    std::fs::create_dir_all(folder)?;
    let draft = folder.join(".draft");
    std::fs::write(&draft, content)?;
    Ok(std::fs::rename(draft, path)?)
}

/// Where a volume is.
pub(super) fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_choose_and_rename() {
        let entries = || {
            Entries::from([
                ("tls.crt".to_owned(), b"c".to_vec()),
                ("x".to_owned(), b"x".to_vec()),
            ])
        };
        let item = |key: &str| KeyToPath {
            key: key.to_owned(),
            path: "a/cert".to_owned(),
            mode: None,
        };
        assert_eq!(chosen(entries(), None).unwrap(), entries());
        let expected = Entries::from([("a/cert".to_owned(), b"c".to_vec())]);
        assert_eq!(
            chosen(entries(), Some(&[item("tls.crt")])).unwrap(),
            expected
        );
        assert!(chosen(entries(), Some(&[item("tls.key")])).is_err());
    }
}
