package main

import (
	"context"
	"net/http"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/model"
)

type readyCmd struct{}

// Run asks the gateway that runs whether it can serve calls: the probe of
// containers, in which there is nothing else to ask with.
func (cmd *readyCmd) Run(a *app, g *globals, p *printer) error {
	c := a.running(g)
	if c == nil {
		return a.notRunning(g)
	}
	defer c.close()
	raw, err := c.get(a.ctx, "/readyz", nil)
	if err != nil {
		return err
	}
	if p.json {
		return p.raw(raw)
	}
	p.printf("%s %s\n", p.style(green, "ready"), c.base)
	return nil
}

// notRunning says why no gateway is found: one that starts may wait for its
// database, and says so at the configured address.
func (a *app) notRunning(g *globals) error {
	if l, err := config.Load(a.loadOptions(g)); err == nil {
		if address := configuredServer(&l.Config); address != "" {
			c := a.remote(g, address, "")
			defer c.close()
			ctx, cancel := context.WithTimeout(a.ctx, findTime)
			defer cancel()
			if _, err := c.get(ctx, "/readyz", nil); err != nil && model.AsError(err).Status == http.StatusServiceUnavailable {
				return err
			}
		}
	}
	return model.Errorf("", model.KindUnavailable, "no gateway is running")
}
