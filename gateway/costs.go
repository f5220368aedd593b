package gateway

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// The formats in which costs are given.
const (
	formatJSON  = "json"
	formatCSV   = "csv"
	formatFOCUS = "focus" // FinOps Open Cost and Usage Specification 1.2, as CSV
)

var contentCSV = []string{"text/csv; charset=utf-8"}

// sumCosts serves GET /api/v1/costs.
func (g *Gateway) sumCosts(x *exchange) {
	q := x.query()
	c := event.CostQuery{
		Since: q.moment("since"), Until: q.moment("until"), By: oneOf(q, "by", event.Dimensions()...),
		Model: model.ModelID(q.text("model")), Endpoint: model.EndpointID(q.text("endpoint")), Provider: q.text("provider"),
		Task: q.task("task_type"), Strategy: q.text("strategy"),
		User: q.text("user"), Workflow: q.text("workflow"), Stage: q.text("stage"), Super: q.text("supervisor"),
		Key: model.KeyID(q.text("key")), Team: q.text("team"), Project: q.text("project"), Tag: q.text("tag"),
		Limit: q.number("limit", 1, event.MaxCostLines),
	}
	if c.Limit == 0 && c.By != "" && !c.By.InTime() {
		c.Limit = event.DefaultCostLines
	}
	format := oneOf(q, "format", formatJSON, formatCSV, formatFOCUS)
	if format == formatFOCUS && c.By != "" {
		q.fail("by", "cannot be chosen for format=focus: its rows are providers, models and days")
	}
	if format == formatFOCUS && c.Limit != 0 {
		q.fail("limit", "cannot be given for format=focus: no row is left out, since and until bound how many there are")
	}
	if err := q.done(); err != nil {
		x.fail(err)
		return
	}
	if err := g.flushEvents(x.r.Context()); err != nil {
		x.fail(model.AsError(err))
		return
	}
	if format == formatFOCUS {
		g.writeFOCUS(x, c)
		return
	}
	report, err := g.cfg.Reader.Costs(x.r.Context(), c)
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	if format == formatCSV {
		x.writeBody(http.StatusOK, contentCSV, costsCSV(&report))
		return
	}
	x.writeJSON(report)
}

// othersKey names the groups beyond the limit in a table. A group may be called
// so, too: the last column tells them apart.
const othersKey = "(others)"

// What a line of a table is, in its last column.
const (
	lineGroup  = "group"
	lineNone   = "none" // the calls without a value
	lineOthers = "others"
	lineTotal  = "total"
)

// costsCSV writes a report as a table: a line for each group and one for those
// beyond the limit, or the total alone.
func costsCSV(r *event.CostReport) []byte {
	key := string(r.By)
	if key == "" {
		key = "total"
	}
	rows := [][]string{{
		key, "calls", "failed", "cost_usd", "estimated_usd", "unpriced_calls", "input_tokens", "cached_read_tokens",
		"cache_write_tokens", "output_tokens", "reasoning_tokens", "mean_latency_ms", "mean_ttft_ms", "line",
	}}
	add := func(line, key string, s *event.CostSum) {
		rows = append(rows, []string{
			inert(key), whole(s.Calls), whole(s.Failed), decimal(s.Cost), decimal(s.Estimated), whole(s.Unpriced),
			whole(s.Input), whole(s.CachedRead), whole(s.CacheWrite), whole(s.Output), whole(s.Reasoning),
			milli(s.LatencyMS), milli(s.TTFTMS), line,
		})
	}
	if r.By == "" {
		add(lineTotal, lineTotal, &r.Total)
	}
	for i := range r.Groups {
		line := lineGroup
		if r.Groups[i].Key == "" {
			line = lineNone
		}
		add(line, r.Groups[i].Key, &r.Groups[i].CostSum)
	}
	if o := r.Others; o != nil {
		add(lineOthers, othersKey, &o.CostSum)
	}
	return writeCSV(rows)
}

func writeCSV(rows [][]string) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.WriteAll(rows) // a buffer takes everything
	return b.Bytes()
}

func whole(n int64) string { return strconv.FormatInt(n, 10) }

// milli writes milliseconds; nothing when they are not known.
func milli(ms *float64) string {
	if ms == nil {
		return ""
	}
	return strconv.FormatFloat(*ms, 'f', 3, 64)
}

func decimal(m model.Money) string { return string(m.AppendDecimal(nil)) }

// inert keeps a spreadsheet from taking a name that somebody chose for a formula.
func inert(s string) string {
	seen := strings.TrimLeftFunc(s, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) })
	if seen != "" && strings.IndexByte("=+-@", seen[0]) >= 0 || s != "" && strings.IndexByte("\t\r", s[0]) >= 0 {
		return "'" + s
	}
	return s
}

// focusColumns are FOCUS's mandatory columns and the conditional ones that
// apply here, in its order, and four of our own. A row is what one model of one
// provider cost in one day, in UTC; rollups do not hold costs by token class,
// so that quantities are tokens of every class.
var focusColumns = []string{
	"BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart",
	"ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart",
	"ConsumedQuantity", "ConsumedUnit", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost",
	"PricingCategory", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "ResourceId", "ResourceName",
	"ResourceType", "ServiceCategory", "ServiceName", "ServiceSubcategory", "SkuId", "Tags",
	"x_Calls", "x_InputTokens", "x_OutputTokens", "x_UnpricedCalls",
}

func (g *Gateway) writeFOCUS(x *exchange, q event.CostQuery) {
	days, err := g.cfg.Reader.DailyCosts(x.r.Context(), q)
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	rows := [][]string{focusColumns}
	for i := range days {
		rows = append(rows, focusRow(&days[i], focusTags(&q)))
	}
	x.writeBody(http.StatusOK, contentCSV, writeCSV(rows))
}

func focusRow(d *event.DailyCost, tags string) []string {
	day, sum := d.Day, &d.CostSum
	cost, tokens := decimal(sum.Cost), whole(sum.Input+sum.Output)
	month := time.Date(day.Year(), day.Month(), 1, 0, 0, 0, 0, time.UTC)
	stamp := func(t time.Time) string { return t.Format("2006-01-02T15:04:05Z") }
	provider, name := inert(d.Provider), inert(string(d.Model))
	return []string{
		cost, provider, provider, "USD", stamp(month.AddDate(0, 1, 0)), stamp(month),
		"Usage", "", "Inference by " + name + " at " + provider, "Usage-Based", stamp(day.AddDate(0, 0, 1)), stamp(day),
		tokens, "Tokens", cost, cost, provider, cost,
		"Standard", tokens, "Tokens", provider, provider, name, name,
		"Model", "AI and Machine Learning", "LLM inference", "Generative AI", name, tags,
		whole(sum.Calls), whole(sum.Input), whole(sum.Output), whole(sum.Unpriced),
	}
}

// focusTags is what the export is restricted to, as FOCUS writes tags.
func focusTags(q *event.CostQuery) string {
	tags := map[string]string{}
	if d, v := q.Restriction(); v != "" {
		tags[string(d)] = v
	}
	doc, err := json.Marshal(tags)
	if err != nil {
		return "{}" // strings can always be written
	}
	return string(doc)
}
