package main

import (
	"fmt"
	"slices"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/gateway"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

// apiKeys resolves the keys of callers. One that cannot be read or is too short
// is an error: its holder would be locked out without a word.
func apiKeys(c *config.Config, secrets *config.Secrets) ([]gateway.APIKey, error) {
	keys := make([]gateway.APIKey, len(c.APIKeys))
	for i, k := range c.APIKeys {
		key, err := apiKey(i, k, secrets)
		if err != nil {
			return nil, err
		}
		keys[i] = key
	}
	return keys, nil
}

func apiKey(i int, k config.APIKey, secrets *config.Secrets) (gateway.APIKey, error) {
	secret, err := secrets.Resolve(string(k.Key))
	if err == nil && len(secret) < gateway.MinKeyBytes {
		err = model.Invalidf("", fmt.Sprintf("api_keys[%d].key", i), "%s holds %d characters; want at least %d", k.Key, len(secret), gateway.MinKeyBytes)
	}
	role := key.RoleAdmin
	if err == nil && k.Role != "" {
		err = role.UnmarshalText([]byte(k.Role))
	}
	tags := slices.Sorted(slices.Values(k.Tags))
	return gateway.APIKey{
		Name: k.Name, Secret: secret, Role: role,
		Caller: model.Caller{User: k.User, Team: k.Team, Project: k.Project, Tags: slices.Compact(tags)},
	}, err
}
