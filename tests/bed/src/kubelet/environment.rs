//! A container's environment: what the Pod's fields, ConfigMaps and Secrets say, and references between them.

use super::resolve::{Resolver, field};
use crate::network;
use anyhow::Context as _;
use k8s_openapi::api::core::v1::{Container, EnvFromSource, EnvVar};

/// Names and values, in the order in which they were set; a later one wins.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment(Vec<(String, String)>);

impl Environment {
    /// That of `container`.
    ///
    /// # Errors
    /// When it refers to what is not there.
    pub(super) async fn of(container: &Container, resolver: &Resolver) -> anyhow::Result<Self> {
        let mut environment = Self::default();
        environment.set("PATH", "/app:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
        environment.set("HOSTNAME", resolver.pod_name());
        // Every pod is told where the API server is.
        environment.set("KUBERNETES_SERVICE_HOST", &network::NODE.to_string());
        environment.set("KUBERNETES_SERVICE_PORT", &network::API_PORT.to_string());
        for source in container.env_from.iter().flatten() {
            environment.add_all(source, resolver).await?;
        }
        for variable in container.env.iter().flatten() {
            let value = environment.value(variable, resolver).await;
            let value = value.with_context(|| format!("environment variable {}", variable.name))?;
            if let Some(value) = value {
                environment.set(&variable.name, &resolver.localize(&value));
            }
        }
        Ok(environment)
    }

    /// All of it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn set(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    fn find(&self, name: &str) -> Option<&str> {
        let last = self.0.iter().rev().find(|(known, _)| known == name);
        last.map(|(_, value)| value.as_str())
    }

    async fn add_all(&mut self, source: &EnvFromSource, resolver: &Resolver) -> anyhow::Result<()> {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let mut entries = Vec::new();
        if let Some(from) = &source.config_map_ref {
            entries.extend(resolver.config_map(&from.name, from.optional).await?);
        }
        if let Some(from) = &source.secret_ref {
            entries.extend(resolver.secret(&from.name, from.optional).await?);
        }
        for (key, value) in entries {
            self.set(&format!("{prefix}{key}"), &String::from_utf8_lossy(&value));
        }
        Ok(())
    }

    /// A variable's value; none for what is optional and not there.
    async fn value(
        &self,
        variable: &EnvVar,
        resolver: &Resolver,
    ) -> anyhow::Result<Option<String>> {
        let Some(from) = &variable.value_from else {
            return Ok(Some(
                self.expand(variable.value.as_deref().unwrap_or_default()),
            ));
        };
        if let Some(reference) = &from.field_ref {
            return field(resolver.pod(), resolver.address(), &reference.field_path).map(Some);
        }
        let (entries, key) = if let Some(from) = &from.config_map_key_ref {
            (
                resolver.config_map(&from.name, from.optional).await?,
                &from.key,
            )
        } else if let Some(from) = &from.secret_key_ref {
            (resolver.secret(&from.name, from.optional).await?, &from.key)
        } else {
            anyhow::bail!("the bed does not know this source");
        };
        let found = entries
            .get(key)
            .map(|value| String::from_utf8_lossy(value).into_owned());
        Ok(found)
    }

    /// `text` with `$(NAME)` replaced where NAME is set; `$$` is a dollar sign.
    pub(super) fn expand(&self, text: &str) -> String {
        let (mut done, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('$') {
            done.push_str(before);
            rest = self.expand_one(&mut done, after);
        }
        done + rest
    }

    /// Handles what stands after a dollar sign; what is left.
    fn expand_one<'t>(&self, done: &mut String, after: &'t str) -> &'t str {
        if let Some(rest) = after.strip_prefix('$') {
            done.push('$');
            return rest;
        }
        let named = after
            .strip_prefix('(')
            .and_then(|after| after.split_once(')'));
        if let Some((name, rest)) = named
            && let Some(value) = self.find(name)
        {
            done.push_str(value);
            return rest;
        }
        done.push('$');
        after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mut environment = Environment::default();
        environment.set("POD", "old");
        environment.set("POD", "web-1");
        assert_eq!(environment.expand(text), expected);
    }

    #[test]
    fn references_are_replaced_where_they_can_be() {
        check("--name=$(POD).", "--name=web-1.");
        check("$(POD)$(POD)", "web-1web-1");
        check("$$(POD)", "$(POD)");
        check("$(NONE) $POD $(", "$(NONE) $POD $(");
    }
}
