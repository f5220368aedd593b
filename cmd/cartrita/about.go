package main

import (
	"encoding/json"
	"runtime"
	"runtime/debug"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/gateway"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry/schema"
)

// version is set by the linker; see the Makefile.
var version = ""

// buildVersion says which build this is: the linker's word, else the module's.
func buildVersion() gateway.Version {
	v := gateway.Version{Version: version, Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Revision = s.Value
		}
	}
	if v.Version == "" {
		v.Version = info.Main.Version
	}
	if v.Version == "" || v.Version == "(devel)" {
		v.Version = "dev"
	}
	return v
}

type versionCmd struct{}

// Run prints the version of this command; a gateway has its own, at
// /api/v1/version.
func (cmd *versionCmd) Run(p *printer) error {
	v := buildVersion()
	if p.json {
		return p.value(v)
	}
	p.printf("cartrita %s (%s %s/%s)\n", v.Version, v.Go, runtime.GOOS, runtime.GOARCH)
	return nil
}

// schemas are the published JSON Schemas.
func schemas() map[string]json.RawMessage {
	return map[string]json.RawMessage{"config": config.Schema, "event": event.Schema, "model": schema.Model()}
}

type schemaCmd struct {
	Name string `arg:"" enum:"model,config,event" help:"model (records of the registry), config (the configuration file) or event (what sinks are sent)."`
}

// Run prints a schema.
func (cmd *schemaCmd) Run(p *printer) error {
	s, ok := schemas()[cmd.Name]
	if !ok {
		return model.Errorf("", model.KindNotFound, "no schema is named %q", cmd.Name)
	}
	return p.raw(s)
}
