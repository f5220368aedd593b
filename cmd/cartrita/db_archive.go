package main

import (
	"strconv"
	"time"

	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/archive"
)

type dbArchiveCmd struct {
	Before string `help:"Day (UTC) before which calls leave. Default: what retention.calls keeps." placeholder:"YYYY-MM-DD"`
	DryRun bool   `help:"Only list the days that would leave."`
}

// archived is what db archive prints.
type archived struct {
	Before time.Time     `json:"before"`
	DryRun bool          `json:"dry_run"`
	Days   []archive.Day `json:"days"`
}

// Run moves calls of before a day out of the database, as a gateway does by itself
// with retention.calls.
func (cmd *dbArchiveCmd) Run(a *app, g *globals, p *printer) error {
	s, err := a.storage(g)
	if err != nil {
		return err
	}
	r := &s.config.Retention
	before, err := cmd.until(r, time.Now())
	if err != nil {
		return err
	}
	if !cmd.DryRun && r.Archive == "" && !r.Drop {
		return model.Invalidf("", "retention.archive", "is missing; want the folder that calls go to, or drop: true to lose them")
	}
	db, _, err := s.openCurrent(a)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // what was written is committed
	archiver := archive.New(archive.Config{Store: db.(archive.Store), Dir: r.Archive, Sinks: sinkNames(s.config)})
	out := archived{Before: before, DryRun: cmd.DryRun}
	if cmd.DryRun {
		out.Days, err = archiver.Pending(a.ctx, before)
	} else {
		out.Days, err = archiver.Run(audit.By(a.ctx, audit.Actor{ID: "cli", Name: a.user()}), cluster.Fence{}, before)
	}
	if err != nil && len(out.Days) == 0 {
		return err
	}
	if printed := p.archived(&out); printed != nil {
		return printed
	}
	return err
}

// until says before which day calls leave. Of today some may still come.
func (cmd *dbArchiveCmd) until(r *config.Retention, now time.Time) (time.Time, error) {
	if cmd.Before == "" {
		if r.Calls == 0 {
			return time.Time{}, model.Invalidf("", "--before", "is missing, and the configuration has no retention.calls")
		}
		return archive.Until(now, r.Calls.Std()), nil
	}
	day, err := time.Parse(time.DateOnly, cmd.Before)
	if err != nil || day.After(archive.Until(now, 0)) {
		return day, model.Invalidf("", "--before", "%q: want a day such as 2026-11-01, today (UTC) at the latest", cmd.Before)
	}
	return day, nil
}

func (p *printer) archived(out *archived) error {
	if p.json {
		if out.Days == nil {
			out.Days = []archive.Day{}
		}
		return p.value(out)
	}
	t := p.table("day", ">calls", "~became of them")
	held, beside := "", 0
	for i := range out.Days {
		d := &out.Days[i]
		fate := d.File
		switch {
		case d.Held != "":
			fate, held = "stay", d.Held
		case out.DryRun:
			fate = "would leave"
		case fate == "":
			fate = "dropped"
		}
		if d.Beside != "" {
			beside++
		}
		t.row(d.Day, strconv.FormatInt(d.Calls, 10), fate)
	}
	if len(out.Days) == 0 {
		p.printf("nothing to do: no calls of before %s are stored\n", out.Before.Format(time.DateOnly))
		return nil
	}
	t.flush()
	if beside > 0 {
		p.notef("of %s, a file with other calls was there and stays: another database, or another copy of this one, was archived into the same folder", plural(beside, "day"))
	}
	if held != "" {
		p.notef("the sink %s has not been sent all of them; what it waits for stays, and the days behind it", held)
	}
	return nil
}
