package registry

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/cartrita/cartrita/model"
)

// Query is a search. Its parts are joined: records pass every filter, match
// the text if there is one, and are ranked by likeness if that is asked for.
type Query struct {
	Filters []string // "context_length>=128000"; see ParseFilter
	Text    string   // words that occur in id, name, family, provider, tags or tasks
	Similar string   // a wish in words: "a small cheap model for French summaries"; leaves out retired models
	Limit   int      // of the hits returned; 0 is DefaultLimit, negative is all

	// SimilarTo names a record in place of the wish: what is most like it. It is no hit itself.
	SimilarTo string

	// Embedder ranks by Similar at the expense of who searches; nil: built-in features do.
	Embedder Embedder
}

// DefaultLimit is the number of hits that a search returns unless told otherwise.
const DefaultLimit = 20

// Method says how hits were ranked.
type Method string

// The methods.
const (
	MethodFilter     Method = "filter"     // not ranked: by id
	MethodText       Method = "text"       // by matching words
	MethodFeatures   Method = "features"   // by built-in features of text and figures
	MethodEmbeddings Method = "embeddings" // by vectors of the embedder
)

// Result is what a search found.
type Result struct {
	Hits   []Hit  `json:"hits"`
	Total  int    `json:"total"` // that match, also beyond the limit
	Method Method `json:"method"`
	Note   string `json:"note,omitempty"` // why a better method was not used
}

// Hit is one record that matches.
type Hit struct {
	Model  *model.Model `json:"model"`  // shared: read-only
	Score  float64      `json:"score"`  // by the result's method, in [0,1]; 1 when not ranked
	Served bool         `json:"served"` // an endpoint is configured for it
}

// Search finds records. Errors, with the Param: KindInvalid for a filter that
// cannot be read or for two wishes, KindNotFound and KindConflict for a record
// to be compared with that is not there or is several. A failing embedder is not
// an error but a Note.
func (r *Registry) Search(ctx context.Context, q Query) (Result, error) {
	s := r.Snapshot()
	filters := make([]Filter, len(q.Filters))
	for i, text := range q.Filters {
		f, err := ParseFilter(text)
		if err != nil {
			e := model.AsError(err)
			e.Op, e.Param = "registry.Search", index("filter", i)
			return Result{}, e
		}
		filters[i] = f
	}
	var like *model.Model
	if q.SimilarTo != "" {
		var err error
		if like, err = s.likened(&q); err != nil {
			return Result{}, err
		}
	}
	hits := s.candidates(filters)
	res := Result{Method: MethodFilter}
	if words := tokens(q.Text); len(words) > 0 {
		hits, res.Method = matching(hits, words), MethodText
	}
	limit := q.Limit
	if limit == 0 {
		limit = DefaultLimit
	}
	if strings.TrimSpace(q.Similar) != "" {
		hits = slices.DeleteFunc(hits, func(h Hit) bool { return h.Model.Status == model.StatusRetired || h.Model == like })
		res.Method, res.Note = r.rankByLikeness(ctx, s, hits, &q, limit)
	}
	slices.SortStableFunc(hits, func(a, b Hit) int {
		return cmp.Or(-cmp.Compare(a.Score, b.Score), compareServed(a, b), cmp.Compare(a.Model.ID, b.Model.ID))
	})
	res.Total = len(hits)
	if limit > 0 {
		hits = hits[:min(limit, len(hits))]
	}
	res.Hits = hits
	return res, nil
}

// likened puts the text of the record that others are to be like in place of the wish.
func (s *Snapshot) likened(q *Query) (*model.Model, error) {
	const op = "registry.Search"
	if q.Similar != "" {
		return nil, model.Invalidf(op, "similar_to", "stands beside similar; want one of the two")
	}
	m, err := s.record(op, q.SimilarTo)
	if err != nil {
		e := model.AsError(err)
		e.Param = "similar_to"
		return nil, e
	}
	q.Similar = document(m)
	return m, nil
}

// compareServed puts records that can be called first.
func compareServed(a, b Hit) int {
	switch {
	case a.Served == b.Served:
		return 0
	case a.Served:
		return -1
	}
	return 1
}

// candidates returns the records that pass every filter, by id.
func (s *Snapshot) candidates(filters []Filter) []Hit {
	out := make([]Hit, 0, len(s.Models))
	for _, m := range s.Models {
		h := Hit{Model: m, Score: 1, Served: s.isServed(m)}
		if !slices.ContainsFunc(filters, func(f Filter) bool { return !f.match(&h) }) {
			out = append(out, h)
		}
	}
	return out
}

// isServed reports whether an endpoint serves exactly this record.
func (s *Snapshot) isServed(m *model.Model) bool {
	i, ok := s.names[string(m.ID)]
	return ok && slices.ContainsFunc(s.matches[i].Served, func(j int32) bool { return s.Served[j].Model == m })
}

// matching keeps the records in which every word occurs and scores them: a
// whole word in the id counts most, a part of a word elsewhere least.
func matching(hits []Hit, words []string) []Hit {
	out := hits[:0]
	for _, h := range hits {
		m := h.Model
		fields := []struct {
			text   string
			weight float64
		}{
			{string(m.ID), 1}, {m.Canonical, 0.9}, {m.Name, 0.9}, {strings.Join(m.Aliases, " "), 0.9}, {m.Family, 0.8},
			{m.Provider, 0.7}, {strings.Join(m.Tags, " "), 0.7}, {taskWords(m), 0.5}, {m.License, 0.5},
		}
		sum := 0.0
		for _, w := range words {
			best := 0.0
			for _, f := range fields {
				best = max(best, f.weight*occurs(w, strings.ToLower(f.text)))
			}
			if best == 0 {
				sum = 0
				break
			}
			sum += best
		}
		if sum > 0 {
			h.Score = sum / float64(len(words))
			out = append(out, h)
		}
	}
	return out
}

// occurs is 1 for a whole word, ¾ for the beginning of one, ½ for a part.
func occurs(word, text string) float64 {
	best := 0.0
	for at := 0; ; {
		i := strings.Index(text[at:], word)
		if i < 0 {
			return best
		}
		start, end := at+i, at+i+len(word)
		switch begins, ends := start == 0 || !isWord(text[start-1]), end == len(text) || !isWord(text[end]); {
		case begins && ends:
			return 1
		case begins:
			best = max(best, 0.75)
		default:
			best = max(best, 0.5)
		}
		at = end
	}
}

func isWord(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || c >= 0x80 || c == '.'
}

// tokens are the words of a text, in lower case.
func tokens(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return r < 0x80 && !isWord(byte(r))
	})
}

func taskWords(m *model.Model) string {
	var b strings.Builder
	for _, t := range m.Tasks {
		b.WriteString(t.String())
		b.WriteByte(' ')
	}
	return b.String()
}
