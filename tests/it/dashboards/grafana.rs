//! A dashboard as Grafana wants it (schema 39).

use super::{Board, Kind, Link, Panel, Query};
use serde_json::{Value, json};

const WIDTH: u32 = 24;
/// What a table does not show: it is in the variables, or says nothing.
const HIDDEN: [&str; 4] = ["Time", "job", "instance", "__name__"];

pub fn dashboard(board: &Board) -> Value {
    json!({
        "uid": board.uid,
        "title": board.title,
        "description": board.about,
        "tags": ["dbsonde"],
        "schemaVersion": 39,
        "version": 1,
        "editable": false,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": { "from": "now-1h", "to": "now" },
        "timezone": "browser",
        "annotations": { "list": [] },
        "links": [{
            "type": "dashboards", "title": "dbsonde", "tags": ["dbsonde"], "asDropdown": true,
            "includeVars": true, "keepTime": true, "targetBlank": false, "icon": "external link",
            "tooltip": "", "url": "",
        }],
        "templating": { "list": variables(board) },
        "panels": panels(board),
    })
}

fn variables(board: &Board) -> Vec<Value> {
    let mut list = vec![json!({
        "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
        "current": {}, "hide": 0, "includeAll": false, "multi": false, "refresh": 1, "regex": "",
    })];
    list.push(variable("job", "dbsonde_build_info"));
    list.push(variable("instance", "dbsonde_build_info{job=~\"$job\"}"));
    for name in &board.variables {
        let of = match name.as_str() {
            "target" => "dbsonde_target_up{job=~\"$job\", instance=~\"$instance\"}",
            "database" => "dbsonde_session_open{job=~\"$job\", instance=~\"$instance\", target=~\"$target\"}",
            "digest" => "dbsonde_statement_info{job=~\"$job\", instance=~\"$instance\", target=~\"$target\"}",
            other => panic!("nobody knows where the values of {other} come from"),
        };
        list.push(variable(name, of));
    }
    list
}

fn variable(name: &str, series: &str) -> Value {
    let query = format!("label_values({series}, {name})");
    let mut label = name.to_owned();
    label[..1].make_ascii_uppercase();
    json!({
        "name": name, "label": label, "type": "query", "datasource": datasource(),
        "query": { "query": query, "refId": "variable" }, "definition": query,
        "includeAll": true, "multi": true, "allValue": all_value(name), "current": { "text": "All", "value": "$__all" },
        "refresh": 2, "sort": 1, "hide": 0, "regex": "",
    })
}

/// What All stands for. A session need not be in a database, and time need not be any statement's.
fn all_value(variable: &str) -> &'static str {
    if matches!(variable, "database" | "digest") { ".*" } else { ".+" }
}

fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// From left to right, and down when the line is full.
fn panels(board: &Board) -> Vec<Value> {
    let (mut made, mut x, mut y, mut line) = (Vec::new(), 0, 0, 0);
    for panel in &board.panel {
        let [width, height] = panel.size;
        if panel.row.is_some() || x + width > WIDTH {
            (x, y, line) = (0, y + line, 0);
        }
        if let Some(title) = &panel.row {
            made.push(json!({
                "id": made.len() + 1, "type": "row", "title": title, "collapsed": false, "panels": [],
                "gridPos": { "x": 0, "y": y, "w": WIDTH, "h": 1 },
            }));
            y += 1;
        }
        let place = json!({ "x": x, "y": y, "w": width, "h": height });
        made.push(self::panel(panel, board, made.len() + 1, place));
        x += width;
        line = line.max(height);
    }
    made
}

fn panel(panel: &Panel, board: &Board, id: usize, place: Value) -> Value {
    let (name, options, custom) = match panel.kind {
        Kind::Stat => ("stat", stat_options(), json!({})),
        Kind::Timeseries => ("timeseries", timeseries_options(), timeseries_style(panel.stack)),
        Kind::Table => ("table", json!({ "showHeader": true, "cellHeight": "sm" }), json!({})),
    };
    let mut made = json!({
        "id": id, "type": name, "title": panel.title, "description": panel.description(),
        "datasource": datasource(), "gridPos": place, "options": options,
        "fieldConfig": {
            "defaults": { "unit": panel.unit, "custom": custom, "thresholds": thresholds(panel.bad_from),
                          "color": { "mode": if panel.kind == Kind::Stat { "thresholds" } else { "palette-classic" } } },
            "overrides": [],
        },
        "targets": panel.query.iter().enumerate().map(|(nth, q)| target(q, nth, panel.kind, board)).collect::<Vec<_>>(),
    });
    if panel.kind == Kind::Table {
        made["transformations"] = transformations(&panel.query);
        made["fieldConfig"]["overrides"] = overrides(panel);
    }
    made
}

fn letter(nth: usize) -> char {
    char::from(b'A' + u8::try_from(nth).unwrap())
}

fn target(query: &Query, nth: usize, kind: Kind, board: &Board) -> Value {
    let table = kind == Kind::Table;
    json!({
        "refId": letter(nth), "datasource": datasource(), "expr": query.promql(board),
        "legendFormat": query.legend, "instant": table, "range": !table,
        "format": if table { "table" } else { "time_series" },
    })
}

fn thresholds(bad_from: Option<f64>) -> Value {
    let mut steps = vec![json!({ "color": "green", "value": null })];
    steps.extend(bad_from.map(|value| json!({ "color": "red", "value": value })));
    json!({ "mode": "absolute", "steps": steps })
}

fn stat_options() -> Value {
    json!({
        "colorMode": "value", "graphMode": "area", "justifyMode": "auto", "orientation": "auto",
        "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false }, "textMode": "auto",
    })
}

fn timeseries_options() -> Value {
    json!({
        "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": [] },
        "tooltip": { "mode": "multi", "sort": "desc" },
    })
}

fn timeseries_style(stack: bool) -> Value {
    let (mode, fill) = if stack { ("normal", 60) } else { ("none", 5) };
    json!({
        "drawStyle": "line", "lineWidth": 1, "fillOpacity": fill, "showPoints": "never",
        "stacking": { "group": "A", "mode": mode },
    })
}

/// The answers side by side, one row for each label set, under the names of the queries.
fn transformations(queries: &[Query]) -> Value {
    // What only brings labels has the value one.
    let told = queries.iter().enumerate().filter(|(_, query)| query.expr.contains("_info{"));
    let told = told.map(|(nth, _)| column(queries, nth));
    let hidden: serde_json::Map<_, _> =
        HIDDEN.iter().map(|name| (*name).to_owned()).chain(told).map(|name| (name, json!(true))).collect();
    let names: serde_json::Map<_, _> =
        queries.iter().enumerate().map(|(nth, query)| (column(queries, nth), json!(query.name))).collect();
    json!([
        { "id": "merge", "options": {} },
        { "id": "organize", "options": { "excludeByName": hidden, "indexByName": {}, "renameByName": names } },
    ])
}

/// What Grafana calls the values of a query.
fn column(queries: &[Query], nth: usize) -> String {
    if queries.len() == 1 { "Value".to_owned() } else { format!("Value #{}", letter(nth)) }
}

fn overrides(panel: &Panel) -> Value {
    let mut made: Vec<Value> = panel
        .query
        .iter()
        .filter_map(|query| {
            Some(field(&query.name, json!([{ "id": "unit", "value": query.unit.as_ref()? }])))
        })
        .collect();
    if let Some(link) = &panel.link {
        let from = link.with.last().expect("a link brings something along");
        made.push(field(from, json!([{ "id": "links", "value": [drill_down(link)] }])));
    }
    Value::Array(made)
}

fn field(name: &str, properties: Value) -> Value {
    json!({ "matcher": { "id": "byName", "options": name }, "properties": properties })
}

fn drill_down(link: &Link) -> Value {
    let along =
        link.with.iter().map(|name| format!("&var-{name}=${{__data.fields.{name}}}")).collect::<String>();
    json!({
        "title": "Open", "targetBlank": false,
        "url": format!("/d/{}?${{__url_time_range}}&var-datasource=${{datasource}}{along}", link.to),
    })
}
