package main

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/cartrita/cartrita/config"
)

type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Check the configuration; list every problem with its line."`
	Show  configShowCmd  `cmd:"" help:"Print the configuration that this machine gives: defaults, file, flags and variables together."`

	Push     configPushCmd     `cmd:"" help:"Share a configuration with all gateways on the database."`
	Pull     configPullCmd     `cmd:"" help:"Print the shared configuration, as it was given."`
	Versions configVersionsCmd `cmd:"" help:"List the versions of the shared configuration."`
}

type configCheckCmd struct {
	File string `arg:"" optional:"" help:"File to check instead of the configured one."`
}

// Run checks a configuration without a gateway. Whether the models it names
// exist is checked against the built-in catalogue and the file's own records;
// secrets are read as serve would.
func (cmd *configCheckCmd) Run(a *app, g *globals, p *printer) error {
	if cmd.File != "" {
		g.Config = cmd.File
	}
	l, err := config.Load(a.loadOptions(g))
	if err == nil {
		err = a.check(l)
	}
	if err != nil {
		return err
	}
	for _, w := range l.Warnings {
		p.notef("%s %s", paint(p.errColor, yellow, "warning:"), w)
	}
	if p.json {
		warnings := l.Warnings
		if warnings == nil {
			warnings = []config.Problem{}
		}
		return p.value(map[string]any{"ok": true, "file": l.File, "warnings": warnings})
	}
	what := l.File
	if what == "" {
		what = "no file, defaults only"
	}
	p.printf("%s %s\n", p.style(green, "ok"), what)
	return nil
}

type configShowCmd struct{}

// Run prints the configuration in force, without what may be a secret.
func (cmd *configShowCmd) Run(a *app, g *globals, p *printer) error {
	l, err := config.Load(a.loadOptions(g))
	if err != nil {
		return err
	}
	if p.json {
		raw, err := json.Marshal(config.Masked(&l.Config))
		if err != nil {
			return err
		}
		return p.raw(raw)
	}
	if l.File != "" {
		p.printf("%s\n", p.style(dim, "# from "+l.File))
	}
	for _, path := range slices.Sorted(maps.Keys(l.Overrides)) {
		p.printf("%s\n", p.style(dim, "# "+path+" from "+l.Overrides[path]))
	}
	text, err := config.Show(&l.Config)
	if err != nil {
		return err
	}
	_, err = p.out.Write(text)
	return err
}
