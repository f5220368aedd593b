package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/database"
)

var _ alert.Store = (*Store)(nil)

// AlertRules implements alert.Store.
func (s *Store) AlertRules(ctx context.Context) ([]alert.Rule, error) {
	return documents[alert.Rule](ctx, s, "postgres.AlertRules", `SELECT doc::text FROM alert_rules ORDER BY name COLLATE "C"`)
}

// SaveAlertRule implements alert.Store.
func (s *Store) SaveAlertRule(ctx context.Context, r alert.Rule) error {
	doc, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.saveDocument(ctx, "postgres.SaveAlertRule", &database.AlertRules, r.Name, doc)
}

// DeleteAlertRule implements alert.Store.
func (s *Store) DeleteAlertRule(ctx context.Context, name string) error {
	const op = "postgres.DeleteAlertRule"
	return s.deleteDocument(ctx, op, &database.AlertRules, name, model.Errorf(op, model.KindNotFound, "no alert rule %q was created", name))
}

// SaveSamples implements alert.Store.
func (s *Store) SaveSamples(ctx context.Context, samples []alert.Sample) error {
	var rules, versions, subjects, gateways, sums []string
	var ats []time.Time
	for i := range samples {
		p := &samples[i]
		doc, err := json.Marshal(p.Sum)
		if err != nil {
			return err
		}
		rules, versions, subjects = append(rules, p.Rule), append(versions, p.Version), append(subjects, p.Subject)
		ats, gateways, sums = append(ats, p.At), append(gateways, p.Gateway), append(sums, string(doc))
	}
	return s.exec(ctx, "postgres.SaveSamples", `INSERT INTO alert_samples (rule, version, at, subject, gateway, sum)
		SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::json[])
		ON CONFLICT (rule, version, at, subject, gateway) DO UPDATE SET sum = excluded.sum`,
		rules, versions, ats, subjects, gateways, sums)
}

// Samples implements alert.Store.
func (s *Store) Samples(ctx context.Context, rule, version string, since time.Time) ([]alert.Sample, error) {
	const op = "postgres.Samples"
	return list(ctx, s, op, `SELECT at, subject, gateway, sum::text FROM alert_samples WHERE rule = $1 AND version = $2 AND at >= $3`,
		[]any{rule, version, since}, func(row pgx.CollectableRow) (p alert.Sample, err error) {
			var sum string
			p.Rule, p.Version = rule, version
			if err := row.Scan(&p.At, &p.Subject, &p.Gateway, &sum); err != nil {
				return p, err
			}
			if err := json.Unmarshal([]byte(sum), &p.Sum); err != nil {
				return p, unavailable(op, "a stored document cannot be read", err)
			}
			p.At = p.At.UTC()
			return p, nil
		})
}

// forgotten is how many samples are removed at once.
const forgotten = 20_000

// ForgetSamples implements alert.Store.
func (s *Store) ForgetSamples(ctx context.Context, term int64, rule string, before time.Time) error {
	for {
		var gone int64
		err := s.fenced(ctx, "postgres.ForgetSamples", term, func(ctx context.Context, tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, `DELETE FROM alert_samples WHERE ctid = ANY (ARRAY(
				SELECT ctid FROM alert_samples WHERE at < $1 AND ($2 = '' OR rule = $2) ORDER BY at LIMIT $3))`, before, rule, forgotten)
			gone = tag.RowsAffected()
			return err
		})
		if err != nil || gone < forgotten {
			return err
		}
	}
}

// AlertBoard implements alert.Store.
func (s *Store) AlertBoard(ctx context.Context) (*alert.Board, error) {
	const op = "postgres.AlertBoard"
	states, err := documents[alert.State](ctx, s, op, `SELECT doc::text FROM alert_states ORDER BY rule COLLATE "C", subject COLLATE "C"`)
	if err != nil {
		return nil, err
	}
	queue, err := documents[alert.Delivery](ctx, s, op, `SELECT doc::text FROM alert_deliveries WHERE state = 'waiting' ORDER BY id COLLATE "C"`)
	if err != nil {
		return nil, err
	}
	return &alert.Board{States: states, Queue: queue}, nil
}

// SaveAlerts implements alert.Store.
func (s *Store) SaveAlerts(ctx context.Context, term int64, c alert.Change) error {
	q := &pgx.Batch{}
	for _, k := range c.Gone {
		q.Queue(`DELETE FROM alert_states WHERE rule = $1 AND subject = $2`, k.Rule, k.Subject)
	}
	for i := range c.States {
		st := &c.States[i]
		doc, err := json.Marshal(st)
		if err != nil {
			return err
		}
		q.Queue(`INSERT INTO alert_states (rule, subject, doc) VALUES ($1, $2, $3) ON CONFLICT (rule, subject) DO UPDATE SET doc = excluded.doc`,
			st.Rule.Name, st.Subject, string(doc))
	}
	for i := range c.Incidents {
		n := &c.Incidents[i]
		doc, err := json.Marshal(n)
		if err != nil {
			return err
		}
		var resolved *time.Time
		if !n.Until.IsZero() {
			resolved = &n.Until
		}
		q.Queue(`INSERT INTO alerts (incident, rule, type, severity, subject, fired, resolved, doc) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (incident) DO UPDATE SET resolved = excluded.resolved, doc = excluded.doc`,
			n.Incident, n.Rule, string(n.Type), string(n.Severity), n.Subject, n.Since, resolved, string(doc))
	}
	for i := range c.Deliveries {
		if err := queueDelivery(q, &c.Deliveries[i]); err != nil {
			return err
		}
	}
	return s.fenced(ctx, "postgres.SaveAlerts", term, func(ctx context.Context, tx pgx.Tx) error {
		return tx.SendBatch(ctx, q).Close()
	})
}

func queueDelivery(q *pgx.Batch, d *alert.Delivery) error {
	doc, err := json.Marshal(d)
	if err != nil {
		return err
	}
	var ended *time.Time
	if !d.Ended.IsZero() {
		ended = &d.Ended
	}
	q.Queue(`INSERT INTO alert_deliveries (id, channel, state, at, ended, doc) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, ended = excluded.ended, doc = excluded.doc`,
		d.ID, d.Channel, string(d.State), d.At, ended, string(doc))
	return nil
}

// LogDelivery implements alert.Store.
func (s *Store) LogDelivery(ctx context.Context, d alert.Delivery) error {
	q := &pgx.Batch{}
	if err := queueDelivery(q, &d); err != nil {
		return err
	}
	return s.failure("postgres.LogDelivery", s.update(ctx, func(ctx context.Context, tx pgx.Tx) error { return tx.SendBatch(ctx, q).Close() }))
}

// Incidents implements alert.Store.
func (s *Store) Incidents(ctx context.Context, rule string, limit int) ([]alert.Incident, error) {
	return documents[alert.Incident](ctx, s, "postgres.Incidents",
		`SELECT doc::text FROM alerts WHERE $1 = '' OR rule = $1 ORDER BY fired DESC, incident COLLATE "C" DESC LIMIT $2`, rule, limit)
}

// Deliveries implements alert.Store.
func (s *Store) Deliveries(ctx context.Context, channel string, limit int) ([]alert.Delivery, error) {
	return documents[alert.Delivery](ctx, s, "postgres.Deliveries",
		`SELECT doc::text FROM alert_deliveries WHERE $1 = '' OR channel = $1 ORDER BY at DESC, id COLLATE "C" DESC LIMIT $2`, channel, limit)
}

// ForgetAlerts implements alert.Store.
func (s *Store) ForgetAlerts(ctx context.Context, term int64, before time.Time) error {
	return s.fenced(ctx, "postgres.ForgetAlerts", term, func(ctx context.Context, tx pgx.Tx) error {
		q := &pgx.Batch{}
		q.Queue(`DELETE FROM alert_deliveries WHERE ended < $1`, before)
		q.Queue(`DELETE FROM alerts WHERE resolved < $1`, before)
		return tx.SendBatch(ctx, q).Close()
	})
}
