package gateway

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/gateway/internal/strict"
	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

// maxContextBytes bounds each id of a caller's context: all are kept with every event.
const maxContextBytes = 256

type criteriaDecoder = strict.Decoder[model.Criteria]

func newCriteriaDecoder() criteriaDecoder { return strict.For[model.Criteria](opParse) }

// wishes completes the call's criteria. The "cartrita" member of the body says
// most and wins; then the X-Cartrita headers; then OpenAI's own user and
// metadata; last the name of the API key, as the user. The owner of the key is
// the user whatever they say.
func (g *Gateway) wishes(q *request, header http.Header, who *key.Identity) *model.Error {
	c := &q.call.Criteria
	if q.extension != nil {
		if err := g.criteria.DecodeValue(q.extension, "cartrita", c); err != nil {
			return err
		}
		if err := q.taskFits(); err != nil {
			return err
		}
	}
	if err := fromHeaders(c, header); err != nil {
		return err
	}
	if err := q.fromOpenAI(); err != nil {
		return err
	}
	if err := g.identify(who, &c.Context); err != nil {
		return err
	}
	return checkKept(c)
}

// taskFits lets a caller say what a chat is about, but not that it is an embedding.
func (q *request) taskFits() *model.Error {
	c := &q.call.Criteria
	if c.Model != "" && q.call.Model != cartrita.AutoModel {
		return model.Invalidf(opParse, "cartrita.model", "names a model beside the body's own %q; want one of the two", q.call.Model)
	}
	if c.Task == nil {
		return nil
	}
	textual := *c.Task != model.TaskEmbeddings && *c.Task != model.TaskReranking
	if textual == (q.call.Surface == model.SurfaceEmbeddings) {
		return model.Invalidf(opParse, "cartrita.task_type", "%s cannot be asked of %s", *c.Task, q.call.Surface)
	}
	q.call.Task = *c.Task
	return nil
}

// headerPrefix begins the request headers that carry criteria.
const headerPrefix = "X-Cartrita-"

// fromHeaders fills what the body left open. A header of ours that nobody
// knows is an error: a misspelt limit must not be taken for none.
func fromHeaders(c *model.Criteria, header http.Header) *model.Error {
	for key, values := range header {
		if len(key) <= len(headerPrefix) || key[0] != 'X' || !strings.HasPrefix(key, headerPrefix) {
			continue
		}
		if len(values) != 1 {
			return model.Invalidf(opHeader, key, "stands %d times; want it once", len(values))
		}
		if err := fromHeader(c, key, values[0]); err != nil {
			return err
		}
	}
	return nil
}

const opHeader = "gateway.headers"

func fromHeader(c *model.Criteria, key, value string) *model.Error {
	ctx := &c.Context
	switch key[len(headerPrefix):] {
	case "Strategy":
		fill(&c.Strategy, value)
	case "User":
		fill(&ctx.UserID, value)
	case "Session":
		fill(&ctx.SessionID, value)
	case "Workflow-Run", "Workflow-Run-Id":
		fill(&ctx.WorkflowRunID, value)
	case "Stage":
		fill(&ctx.Stage, value)
	case "Supervisor":
		fill(&ctx.Supervisor, value)
	case "Priority":
		return fillText(&ctx.Priority, key, value)
	case "Deadline-Ms":
		return fillParsed(&ctx.DeadlineMS, key, value, "a whole number of milliseconds", parseInt)
	case "Tags":
		fillList(&c.RequiredTags, value)
	case "Excluded-Tags":
		fillList(&c.ExcludedTags, value)
	case "Max-Cost-Usd":
		return fillParsed(&c.MaxCost, key, value, "an amount of US dollars such as 0.05", model.ParseMoney)
	case "Max-Cost-Per-1k-Tokens":
		return fillParsed(&c.MaxCostPer1KTokens, key, value, "an amount of US dollars such as 0.05", model.ParseMoney)
	case "Max-Latency-Ms":
		return fillParsed(&c.MaxLatencyMS, key, value, "a number of milliseconds", parseFloat)
	case "Min-Quality":
		return fillParsed(&c.MinQuality, key, value, "a number from 0 to 1", parseFloat)
	case "Max-Risk":
		return fillText(&c.MaxRisk, key, value)
	case "Commercial-Use":
		return fillFlag(&c.CommercialUse, key, value)
	case "Safety-Required":
		return fillFlag(&c.SafetyRequired, key, value)
	default:
		if err := identityHeader(key); err != nil {
			return err
		}
		return model.Invalidf(opHeader, key, "unknown header%s", strict.Hint(key, headerNames))
	}
	return nil
}

// headerNames are the request headers of fromHeader, for suggestions.
var headerNames = []string{
	"X-Cartrita-Strategy", "X-Cartrita-User", "X-Cartrita-Session", "X-Cartrita-Workflow-Run", "X-Cartrita-Workflow-Run-Id", "X-Cartrita-Stage",
	"X-Cartrita-Supervisor", "X-Cartrita-Priority", "X-Cartrita-Deadline-Ms", "X-Cartrita-Tags", "X-Cartrita-Excluded-Tags",
	"X-Cartrita-Max-Cost-Usd", "X-Cartrita-Max-Cost-Per-1k-Tokens", "X-Cartrita-Max-Latency-Ms", "X-Cartrita-Min-Quality",
	"X-Cartrita-Max-Risk", "X-Cartrita-Commercial-Use", "X-Cartrita-Safety-Required",
}

func fill(dst *string, value string) {
	if *dst == "" {
		*dst = value
	}
}

func fillList(dst *[]string, value string) {
	if *dst != nil {
		return
	}
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			*dst = append(*dst, item)
		}
	}
}

// fillText reads a named value; its zero value counts as not given.
func fillText[T comparable, P interface {
	*T
	UnmarshalText([]byte) error
}](dst P, key, value string) *model.Error {
	var zero, v T
	if err := P(&v).UnmarshalText([]byte(value)); err != nil {
		return model.Invalidf(opHeader, key, "%v", err)
	}
	if *dst == zero {
		*dst = v
	}
	return nil
}

func fillParsed[T any](dst **T, key, value, want string, parse func(string) (T, error)) *model.Error {
	v, err := parse(value)
	if err != nil {
		return model.Invalidf(opHeader, key, "want %s, found %.40q", want, value)
	}
	if *dst == nil {
		*dst = &v
	}
	return nil
}

func fillFlag(dst *bool, key, value string) *model.Error {
	switch value {
	case "true", "1":
		*dst = true
	case "false", "0":
	default:
		return model.Invalidf(opHeader, key, "want true or false, found %.40q", value)
	}
	return nil
}

func parseInt(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }

func parseFloat(s string) (float64, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err == nil && (math.IsNaN(f) || math.IsInf(f, 0)) {
		err = strconv.ErrRange
	}
	return f, err
}

// fromOpenAI takes the user and, where they are strings, the members of
// metadata that are named like those of our context, with or without our prefix.
func (q *request) fromOpenAI() *model.Error {
	ctx := &q.call.Criteria.Context
	if q.metadata != nil {
		err := eachMember(q.metadata, "metadata", func(key string, v []byte) *model.Error {
			if field := contextField(ctx, strings.TrimPrefix(key, metadataPrefix)); field != nil && v[0] == '"' && *field == "" {
				s, err := jsonscan.Unquote(v)
				if err != nil {
					return model.Invalidf(opParse, "metadata."+key, "is not a valid string: %v", err)
				}
				*field = s
				return checkPlain("metadata."+key, s)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := checkPlain("user", q.user); err != nil {
		return err
	}
	fill(&ctx.UserID, q.user)
	return nil
}

// metadataPrefix sets our members of metadata apart from the caller's own.
const metadataPrefix = "cartrita_"

func contextField(ctx *model.Context, name string) *string {
	switch name {
	case "user_id":
		return &ctx.UserID
	case "workflow_run_id":
		return &ctx.WorkflowRunID
	case "stage":
		return &ctx.Stage
	case "supervisor":
		return &ctx.Supervisor
	case "session_id":
		return &ctx.SessionID
	}
	return nil
}

// checkKept checks what of the criteria is kept with every event.
func checkKept(c *model.Criteria) *model.Error {
	ctx := &c.Context
	for _, name := range [...]string{"user_id", "workflow_run_id", "stage", "supervisor", "session_id"} {
		value := *contextField(ctx, name)
		if n := len(value); n > maxContextBytes {
			return model.Invalidf(opParse, "context."+name, "has %d bytes; want at most %d", n, maxContextBytes)
		}
		if err := checkPlain("context."+name, value); err != nil {
			return err
		}
	}
	for _, list := range [...]struct {
		name string
		tags []string
	}{{"required_tags", c.RequiredTags}, {"excluded_tags", c.ExcludedTags}} {
		for i, tag := range list.tags {
			if err := checkPlain(fmt.Sprintf("%s[%d]", list.name, i), tag); err != nil {
				return err
			}
		}
	}
	for _, n := range [...]struct {
		name   string
		tokens *int64
	}{{"input_tokens", c.InputTokens}, {"output_tokens", c.OutputTokens}} {
		if n.tokens != nil && (*n.tokens < 0 || *n.tokens > maxTold) {
			return model.Invalidf(opParse, n.name, "is %d; want a number of tokens from 0 to %d", *n.tokens, int64(maxTold))
		}
	}
	if ms := ctx.DeadlineMS; ms != nil && (*ms <= 0 || *ms > maxDeadlineMS) {
		return model.Invalidf(opParse, "context.deadline_ms", "is %d; want a number of milliseconds from 1 to %d", *ms, int64(maxDeadlineMS))
	}
	return nil
}

// checkPlain refuses what could command the terminal, or break the line, of who
// reads it later.
func checkPlain(field, value string) *model.Error {
	if !utf8.ValidString(value) {
		return model.Invalidf(opParse, field, "is %.80q; want text in UTF-8", value)
	}
	if strings.ContainsFunc(value, unicode.IsControl) {
		return model.Invalidf(opParse, field, "is %.80q; want text without control characters", value)
	}
	return nil
}

// maxTold is the most tokens that a caller may say its call has.
const maxTold = 100_000_000

// maxDeadlineMS is a day: more is a mistake in the unit.
const maxDeadlineMS = 24 * 60 * 60 * 1000
