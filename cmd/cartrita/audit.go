package main

import (
	"net/url"
	"strconv"
	"time"

	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/gateway"
	"github.com/cartrita/cartrita/model"
)

const auditPath = "/api/v1/audit"

type auditCmd struct {
	List   auditListCmd   `cmd:"" default:"withargs" help:"List changes, the latest first."`
	Verify auditVerifyCmd `cmd:"" help:"Check that no entry was changed, taken out or moved."`
}

type auditListCmd struct {
	Since  string `help:"Since then: a time, a date, or how long ago such as 24h or 30d." placeholder:"WHEN"`
	Until  string `help:"Until then." placeholder:"WHEN"`
	Actor  string `help:"Only changes of this actor, such as key:ID or cli, or of this name." placeholder:"WHO"`
	Action string `help:"Only this action, such as key.revoke, or all of a kind, such as key." placeholder:"WHAT"`
	Object string `help:"Only changes of this model, key, budget or gateway." placeholder:"ID"`
	Limit  int    `short:"n" default:"50" help:"Most entries to show." placeholder:"N"`
}

// Run lists the audit trail.
func (cmd *auditListCmd) Run(a *app, g *globals, p *printer) error {
	q := url.Values{"limit": {strconv.Itoa(cmd.Limit)}}
	for _, f := range [][2]string{{"since", cmd.Since}, {"until", cmd.Until}, {"actor", cmd.Actor}, {"action", cmd.Action}, {"object", cmd.Object}} {
		setQuery(q, f[0], f[1])
	}
	return ask(a, g, p, func(c *client) ([]byte, error) { return c.get(a.ctx, auditPath, q) }, func(page gateway.AuditPage) {
		t := p.table(">seq", "at", "~actor", "~name", "action", "~object", "~detail")
		for _, e := range page.Entries {
			t.row(strconv.FormatInt(e.Seq, 10), e.At.Local().Format(time.DateTime), e.Actor, e.Name, string(e.Action), e.Object, string(e.Detail))
		}
		t.flush()
		if len(page.Entries) == 0 {
			p.notef("no changes")
		}
	})
}

type auditVerifyCmd struct {
	Head string `help:"Hash of an entry that was written down: finds entries that were cut off since." placeholder:"HASH"`
}

// Run checks the audit trail; one that is broken ends it with exit code 1.
func (cmd *auditVerifyCmd) Run(a *app, g *globals, p *printer) error {
	q := url.Values{}
	setQuery(q, "head", cmd.Head)
	return judge(a, g, p, func(c *client) ([]byte, error) { return c.get(a.ctx, auditPath+"/verify", q) },
		func(r audit.Report) { p.trail(&r) }, func(r audit.Report) error { return brokenTrail(&r) })
}

// trail says what a verification of the audit trail found whole.
func (p *printer) trail(r *audit.Report) {
	switch {
	case r.Broken != nil: // the error says it
	case r.Entries == 0:
		p.printf("%s the audit trail is empty\n", p.style(green, "ok"))
	default:
		p.printf("%s the audit trail of %s is whole; its head is %s\n", p.style(green, "ok"), plural(int(r.Entries), "change"), r.Head)
	}
}

func brokenTrail(r *audit.Report) error {
	if r.Broken == nil {
		return nil
	}
	return model.Errorf("", model.KindInternal, "the audit trail was tampered with: %s", r.Broken.Why)
}
