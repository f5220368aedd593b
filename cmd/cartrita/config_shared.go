package main

import (
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/gateway"
	"github.com/cartrita/cartrita/model"
)

const configPath = "/api/v1/config"

type configPushCmd struct {
	File   string `arg:"" help:"YAML file to share, - for standard input."`
	After  *int64 `help:"Only if this is the latest version now; 0: only if there is none." placeholder:"N"`
	DryRun bool   `help:"Only check it, and say what it would change at the gateway that is asked."`
}

// configSaved is what the gateway answers to a push.
type configSaved struct {
	Version  int64            `json:"version"`
	Changes  []config.Change  `json:"changes"`
	Warnings []config.Problem `json:"warnings"`
}

// Run shares a configuration.
func (cmd *configPushCmd) Run(a *app, g *globals, p *printer) error {
	document, err := a.readInput(cmd.File)
	if err != nil {
		return err
	}
	return ask(a, g, p, func(c *client) ([]byte, error) {
		return c.post(a.ctx, configPath, nil, gateway.ConfigDocument{Document: string(document), After: cmd.After, DryRun: cmd.DryRun})
	}, func(saved configSaved) {
		for _, w := range saved.Warnings {
			p.notef("%s %s", paint(p.errColor, yellow, "warning:"), w)
		}
		for _, change := range saved.Changes {
			p.printf("%s\n", change)
		}
		if cmd.DryRun {
			p.printf("%s; nothing was saved\n", p.style(green, "ok"))
			return
		}
		p.printf("%s version %d\n", p.style(green, "saved"), saved.Version)
	})
}

type configPullCmd struct {
	Version int64 `help:"Another version than the latest." placeholder:"N"`
}

// Run prints a version of the shared configuration.
func (cmd *configPullCmd) Run(a *app, g *globals, p *printer) error {
	query := url.Values{}
	if cmd.Version != 0 {
		query.Set("version", strconv.FormatInt(cmd.Version, 10))
	}
	return tell(a, g, p, func(c *client) ([]byte, error) { return c.get(a.ctx, configPath, query) }, func(v cluster.Configuration) error {
		if v.Version == 0 {
			return model.Errorf("", model.KindNotFound, "no configuration is shared yet; see cartrita config push")
		}
		_, err := io.WriteString(p.out, v.Document)
		return err
	})
}

type configVersionsCmd struct{}

// Run lists the versions of the shared configuration.
func (cmd *configVersionsCmd) Run(a *app, g *globals, p *printer) error {
	type answer struct {
		Versions []cluster.Configuration `json:"versions"`
		InForce  int64                   `json:"in_force"`
	}
	return ask(a, g, p, func(c *client) ([]byte, error) { return c.get(a.ctx, configPath+"/versions", nil) }, func(list answer) {
		t := p.table("VERSION", "SAVED", "BY", "IN FORCE")
		for _, v := range list.Versions {
			inForce := ""
			if v.Version == list.InForce {
				inForce = "yes"
			}
			t.row(strconv.FormatInt(v.Version, 10), v.At.Local().Format(time.DateTime), v.By, inForce)
		}
		t.flush()
	})
}
