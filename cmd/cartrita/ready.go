package main

import "github.com/cartrita/cartrita/model"

type readyCmd struct{}

// Run asks the gateway that runs whether it can serve calls: the probe of
// containers, in which there is nothing else to ask with.
func (cmd *readyCmd) Run(a *app, g *globals, p *printer) error {
	c := a.running(g)
	if c == nil {
		return model.Errorf("", model.KindUnavailable, "no gateway is running")
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
