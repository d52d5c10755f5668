package ops

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// object is a piece of a dashboard's JSON; its keys are written in order.
type object map[string]any

// schemaVersion is that of Grafana 12; older ones read it, newer ones migrate.
const schemaVersion = 41

// board is a dashboard: rows of panels.
type board struct {
	UID, Title, Description string
	Several                 bool // instances may be chosen together
	Other                   string
	Rows                    []row
}

type row struct {
	Title  string
	Panels []panel
}

// The kinds of panels.
const (
	lines   = "timeseries"
	number  = "stat"
	bars    = "bargauge"
	listing = "table"
)

// panel is one picture. A query selects the nodes that are chosen by "@"
// between braces.
type panel struct {
	Title       string
	Description string
	Kind        string // lines, if empty
	Unit        string // of Grafana: short, percentunit, ops, bytes, s, dateTimeFromNow, ...
	Width       int    // of 24
	Height      int    // 7, and 4 for a number
	Queries     []query
	Amber, Red  float64 // thresholds from which a value is shown so; both zero: none
	Below       bool    // the thresholds are for values that are too small
	Max         float64 // of the axis; zero: by the values
	Stacked     bool
	Mapped      []string // texts for the values 0, 1, 2, ...
	Alerts      []string // those whose runbooks the panel links to
}

type query struct{ Expr, Legend string }

// chosen is what selects the nodes of the dashboard's variables.
const chosen = `job=~"$job",instance=~"$instance"`

func (q query) expr() string { return strings.ReplaceAll(q.Expr, "@", chosen) }

// marks are the annotations: where nodes started, and which alerts fired.
var marks = []struct{ name, color, expr, title string }{
	{"Starts", "blue", `macula_uptime_seconds{@} < 60`, "{{instance}} started"},
	{"Alerts", "red", `ALERTS{@,alertstate="firing",severity=~"warning|critical"}`, "{{alertname}} {{instance}}"},
}

// queries returns the expressions of all panels and annotations.
func (b *board) queries() []string {
	var all []string
	for _, m := range marks {
		all = append(all, query{Expr: m.expr}.expr())
	}
	for _, r := range b.Rows {
		for _, p := range r.Panels {
			for _, q := range p.Queries {
				all = append(all, q.expr())
			}
		}
	}
	return all
}

var datasource = object{"type": "prometheus", "uid": "${datasource}"}

// encoded is the dashboard as Grafana imports it.
func (b *board) encoded() []byte {
	var panels []object
	id, y := 0, 0
	for _, r := range b.Rows {
		id++
		panels = append(panels, object{
			"id": id, "type": "row", "title": r.Title, "collapsed": false, "panels": []object{},
			"gridPos": object{"h": 1, "w": 24, "x": 0, "y": y},
		})
		y++
		x, tall := 0, 0
		for i := range r.Panels {
			p := &r.Panels[i]
			if x+p.Width > 24 {
				x, y, tall = 0, y+tall, 0
			}
			id++
			panels = append(panels, p.object(id, x, y))
			x, tall = x+p.Width, max(tall, p.height())
		}
		y += tall
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(object{
		"uid": b.UID, "title": b.Title, "description": b.Description, "tags": []string{"macula"},
		"schemaVersion": schemaVersion, "version": 1, "editable": true, "graphTooltip": 1,
		"refresh": "30s", "time": object{"from": "now-3h", "to": "now"}, "timezone": "browser",
		"templating": object{"list": b.variables()}, "annotations": object{"list": annotations()},
		"links": b.links(), "panels": panels,
	}); err != nil {
		panic(err) // of maps, texts and numbers
	}
	return out.Bytes()
}

func (b *board) variables() []object {
	ask := func(name, label, query string, several bool) object {
		v := object{
			"name": name, "label": label, "type": "query", "datasource": datasource, "refresh": 2, "sort": 1,
			"definition": query, "query": object{"query": query, "refId": name}, "multi": several, "includeAll": several,
		}
		if several {
			v["current"] = object{"selected": true, "text": []string{"All"}, "value": []string{"$__all"}}
		}
		return v
	}
	return []object{
		{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1},
		ask("job", "Job", `label_values(macula_build_info, job)`, true),
		ask("instance", "Node", `label_values(macula_build_info{job=~"$job"}, instance)`, b.Several),
	}
}

func annotations() []object {
	var out []object
	for _, m := range marks {
		out = append(out, object{
			"name": m.name, "enable": true, "iconColor": m.color, "datasource": datasource,
			"expr": query{Expr: m.expr}.expr(), "titleFormat": m.title, "step": "30s",
		})
	}
	return out
}

func (b *board) links() []object {
	docs := strings.TrimSuffix(runbooks, "RUNBOOKS.md")
	return []object{
		{"type": "dashboards", "title": b.Other, "tags": []string{"macula"}, "asDropdown": false, "includeVars": true, "keepTime": true},
		{"type": "link", "title": "Operations", "url": docs + "OPERATIONS.md", "targetBlank": true},
		{"type": "link", "title": "Runbooks", "url": runbooks, "targetBlank": true},
	}
}

func (p *panel) height() int {
	switch {
	case p.Height > 0:
		return p.Height
	case p.Kind == number:
		return 4
	}
	return 7
}

func (p *panel) object(id, x, y int) object {
	kind := p.Kind
	if kind == "" {
		kind = lines
	}
	o := object{
		"id": id, "type": kind, "title": p.Title, "description": p.Description, "datasource": datasource,
		"gridPos": object{"h": p.height(), "w": p.Width, "x": x, "y": y},
		"targets": p.targets(kind), "fieldConfig": object{"defaults": p.field(kind), "overrides": []object{}},
		"options": options[kind],
	}
	if kind == listing {
		o["transformations"] = joined(p.Queries)
	}
	var links []object
	for _, name := range p.Alerts {
		a := Alert{Name: name}
		if !slices.ContainsFunc(Alerts(), func(b Alert) bool { return b.Name == name }) {
			panic("ops: the panel " + p.Title + " names an alert that there is not: " + name)
		}
		links = append(links, object{"title": "Runbook: " + name, "url": a.Runbook(), "targetBlank": true})
	}
	if links != nil {
		o["links"] = links
	}
	return o
}

func (p *panel) targets(kind string) []object {
	var out []object
	for i, q := range p.Queries {
		t := object{"refId": string(rune('A' + i)), "datasource": datasource, "expr": q.expr(), "legendFormat": q.Legend}
		switch kind {
		case listing:
			t["instant"], t["format"] = true, "table"
		case lines:
			t["range"] = true
		default:
			t["instant"] = true
		}
		out = append(out, t)
	}
	return out
}

func (p *panel) field(kind string) object {
	colors := []string{"green", "orange", "red"}
	steps := []object{{"color": "green", "value": nil}}
	if p.Amber != 0 || p.Red != 0 {
		at := []float64{p.Amber, p.Red}
		if p.Below {
			colors, at = []string{"red", "orange", "green"}, []float64{p.Red, p.Amber}
		}
		steps = []object{{"color": colors[0], "value": nil}, {"color": colors[1], "value": at[0]}, {"color": colors[2], "value": at[1]}}
	}
	f := object{"unit": p.Unit, "min": 0, "thresholds": object{"mode": "absolute", "steps": steps}, "color": object{"mode": "thresholds"}}
	if p.Max != 0 {
		f["max"] = p.Max
	}
	if p.Mapped != nil {
		texts := object{}
		for i, s := range p.Mapped {
			texts[fmt.Sprint(i)] = object{"text": s, "index": i}
		}
		f["mappings"] = []object{{"type": "value", "options": texts}}
	}
	if kind == lines {
		style, stacking := "off", "none"
		if p.Amber != 0 || p.Red != 0 {
			style = "dashed"
		}
		if p.Stacked {
			stacking = "normal"
		}
		f["color"] = object{"mode": "palette-classic"}
		f["custom"] = object{
			"lineWidth": 1, "fillOpacity": 8, "showPoints": "never", "spanNulls": false,
			"thresholdsStyle": object{"mode": style}, "stacking": object{"mode": stacking, "group": "A"},
		}
	}
	return f
}

var options = map[string]object{
	lines: {
		"legend":  object{"displayMode": "list", "placement": "bottom", "showLegend": true},
		"tooltip": object{"mode": "multi", "sort": "desc"},
	},
	number: {
		"reduceOptions": object{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
		"colorMode":     "value", "graphMode": "none", "textMode": "auto", "orientation": "auto",
	},
	bars: {
		"reduceOptions": object{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
		"displayMode":   "gradient", "orientation": "horizontal", "showUnfilled": true,
	},
	listing: {"showHeader": true, "cellHeight": "sm"},
}

// joined makes one table of several queries: a column for each.
func joined(queries []query) []object {
	names := object{}
	for i, q := range queries {
		names["Value #"+string(rune('A'+i))] = q.Legend
	}
	return []object{
		{"id": "merge", "options": object{}},
		{"id": "organize", "options": object{"excludeByName": object{"Time": true, "__name__": true, "job": true}, "renameByName": names}},
	}
}
