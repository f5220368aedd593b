package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

const (
	monthsAhead    = 2           // that have a partition before they begin
	monthsBack     = 60          // that get one when a call of theirs comes
	partitionRetry = time.Minute // after a failure
	partitionWait  = "1s"        // for a reader that holds the default partition; others queue behind us
)

// month is a calendar month, UTC, counted from year 0.
type month int

func monthOf(t time.Time) month {
	y, m, _ := t.UTC().Date()
	return month(y*12 + int(m) - 1)
}

func (m month) begin() time.Time {
	return time.Date(int(m)/12, time.Month(int(m)%12+1), 1, 0, 0, 0, 0, time.UTC)
}

// idTime is when a UUIDv7 was made.
func idTime(id model.CallID) time.Time {
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms)
}

// firstIDAt is the lowest id of a millisecond since the epoch.
func firstIDAt(ms int64) (id model.CallID) {
	for i := range 6 {
		id[i] = byte(ms >> (8 * (5 - i)))
	}
	return id
}

// partition makes the partitions that the calls and the near future need. A
// failure is no obstacle to storing calls: they go into the default partitions.
func (s *Store) partition(ctx context.Context, calls []*event.Call) {
	now := s.now()
	wanted := map[month]bool{}
	for m := monthOf(now); m <= monthOf(now)+monthsAhead; m++ {
		wanted[m] = true
	}
	for _, c := range calls {
		for _, t := range [...]time.Time{idTime(c.ID), c.Ended} {
			// A date beyond is a clock gone wrong, not worth a partition.
			if m := monthOf(t); m >= monthOf(now)-monthsBack && m <= monthOf(now)+monthsAhead {
				wanted[m] = true
			}
		}
	}
	months := s.withoutPartition(wanted, now)
	if len(months) == 0 {
		return
	}
	err := s.update(ctx, func(ctx context.Context, tx pgx.Tx) error {
		for _, m := range months {
			if err := makePartitions(ctx, tx, m); err != nil {
				return fmt.Errorf("%s: %w", m.begin().Format("2006-01"), err)
			}
		}
		return nil
	})
	var again time.Time
	if err != nil {
		again = now.Add(partitionRetry)
		s.log.WarnContext(ctx, "partitions cannot be made; calls go into the default partition until they can", "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range months {
		s.months[m] = again
	}
}

// withoutPartition returns those of the months that are to get a partition now.
func (s *Store) withoutPartition(wanted map[month]bool, now time.Time) []month {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(wanted)), func(m month) bool {
		again, tried := s.months[m]
		return tried && (again.IsZero() || now.Before(again))
	})
}

// quoted is the lowest id of a month as SQL.
func quoted(m month) string { return "'" + firstIDAt(m.begin().UnixMilli()).String() + "'" }

// makePartitions makes the partitions of a month unless they are there, and
// moves what the default ones hold of it. Nobody stores calls meanwhile.
func makePartitions(ctx context.Context, tx pgx.Tx, m month) error {
	if _, err := tx.Exec(ctx, `SELECT last FROM call_clock FOR UPDATE; SET LOCAL lock_timeout = '`+partitionWait+`'`); err != nil {
		return err
	}
	for _, p := range []struct{ table, column, low, high string }{
		{"calls", "id", quoted(m), quoted(m + 1)},
		{"call_blocks", "seq", fmt.Sprint(m.begin().UnixMicro()), fmt.Sprint((m + 1).begin().UnixMicro())},
	} {
		name := p.table + m.begin().Format("_2006_01")
		var there bool
		if err := tx.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, name).Scan(&there); err != nil {
			return err
		}
		if there {
			continue
		}
		_, err := tx.Exec(ctx, fmt.Sprintf(`
			CREATE TABLE %[1]s (LIKE %[2]s INCLUDING ALL);
			WITH moved AS (DELETE FROM %[2]s_default WHERE %[3]s >= %[4]s AND %[3]s < %[5]s RETURNING *)
			  INSERT INTO %[1]s SELECT * FROM moved;
			ALTER TABLE %[2]s ATTACH PARTITION %[1]s FOR VALUES FROM (%[4]s) TO (%[5]s)`,
			name, p.table, p.column, p.low, p.high))
		if err != nil {
			return err
		}
	}
	return nil
}
