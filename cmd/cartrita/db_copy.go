package main

import (
	"strconv"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/database"
)

type dbCopyCmd struct {
	To string `required:"" help:"Database to copy to: postgres://user:password@host:5432/database, or where that URL is: env:NAME or file:/path." placeholder:"URL"`
}

// Run copies a SQLite database into a PostgreSQL one, and compares the two.
func (cmd *dbCopyCmd) Run(a *app, g *globals, p *printer) error {
	source, err := a.storage(g)
	if err != nil {
		return err
	}
	if source.url != "" {
		return model.Invalidf("", "store", "is %s: copy reads a SQLite database", source.name)
	}
	url, err := a.secrets().Literal(cmd.To)
	if err != nil {
		return err
	}
	if !config.IsPostgres(url) {
		return model.Invalidf("", "--to", "want postgres://user:password@host:5432/database, itself or where it is: env:NAME or file:/path")
	}
	target, err := newStorage(&config.Config{Store: url}, a.secrets())
	if err != nil {
		return err
	}
	target.setting = "--to"
	from, st, err := source.openCurrent(a)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // it was read only
	to, err := target.openTarget(a)
	if err != nil {
		return err
	}
	defer func() { _ = to.Close() }() // what was written is committed
	held, err := copyDatabase(a, p, from.(database.Store), to.(database.Store), st.Calls)
	if err != nil {
		return err
	}
	return p.copied(source, target, held)
}

// openTarget opens a database that is to be copied to. The schema is made where
// there is none; what else there is, is left alone.
func (s *storage) openTarget(a *app) (store, error) {
	st, err := s.inspect(a.ctx, 0)
	if err != nil {
		return nil, err
	}
	if st.Schema != 0 {
		db, _, err := s.openCurrent(a)
		return db, err
	}
	return s.open(a.ctx, a.warnings())
}

// copyDatabase copies and returns what both sides hold then, in the same order.
func copyDatabase(a *app, p *printer, from, to database.Store, calls int64) (held [2][]database.Contents, err error) {
	bar := p.steps("copying calls", calls)
	tell := func(n int) { _ = bar.Add(n) } // only paints
	err = database.Copy(a.ctx, from, to, tell)
	_ = bar.Finish()
	if err != nil {
		return held, err
	}
	bar = p.steps("comparing calls", 2*calls) // tell paints this one now
	defer func() { _ = bar.Finish() }()
	if held[0], err = database.Take(a.ctx, from, tell); err != nil {
		return held, err
	}
	held[1], err = database.Take(a.ctx, to, tell)
	return held, err
}

// copiedContents is what both sides hold of one thing. Checksums are over the
// contents, whatever their order.
type copiedContents struct {
	What   string  `json:"what"`
	Source sideSum `json:"source"`
	Target sideSum `json:"target"`
	Same   bool    `json:"same"`
}

type sideSum struct {
	Count    int64  `json:"count"`
	Checksum string `json:"checksum"` // 64 bits, hexadecimal
}

func sumOf(c *database.Contents) sideSum {
	digits := strconv.FormatUint(c.Checksum, 16)
	return sideSum{c.Count, "0000000000000000"[len(digits):] + digits}
}

// copied prints both sides, and fails unless they are the same.
func (p *printer) copied(source, target *storage, held [2][]database.Contents) error {
	all := true
	var contents []copiedContents
	for i := range held[0] {
		c := copiedContents{What: held[0][i].Name, Source: sumOf(&held[0][i]), Target: sumOf(&held[1][i])}
		c.Same = c.Source == c.Target
		all = all && c.Same
		contents = append(contents, c)
	}
	if p.json {
		if err := p.value(map[string]any{"source": source.name, "target": target.name, "same": all, "contents": contents}); err != nil {
			return err
		}
	} else {
		t := p.table("what", ">source", ">target", "source checksum", "target checksum", "")
		for i := range contents {
			c := &contents[i]
			verdict := cell{"same", green}
			if !c.Same {
				verdict = cell{"DIFFERENT", red}
			}
			t.styled(cell{text: c.What}, cell{text: strconv.FormatInt(c.Source.Count, 10)}, cell{text: strconv.FormatInt(c.Target.Count, 10)},
				cell{text: c.Source.Checksum}, cell{text: c.Target.Checksum}, verdict)
		}
		t.flush()
	}
	if !all {
		return model.Errorf("", model.KindInternal, "the two databases differ: either a gateway changed one of them meanwhile, and another copy brings the rest, or the source dropped something that an earlier copy brought")
	}
	return nil
}
