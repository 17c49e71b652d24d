//! Plans that no planner of ours would make: an error each, never a panic.

use super::*;
use crate::plan::{self, AggregateCall, AggregateId, Body, FunctionId, JoinKind, Plan, SortKey};
use std::thread;

fn refused(node: &Node) -> String {
    match run(node, &fixture().cx) {
        Err(error) => error.state().into(),
        Ok(rows) => panic!("{node:?} gave {rows:?}"),
    }
}

fn one_row() -> Node {
    values(&[INT, TEXT], &[vec![int(1), text("a")]])
}

fn project(expr: Expr) -> Node {
    Node::Project {
        input: Box::new(one_row()),
        exprs: vec![expr],
    }
}

#[test]
fn expressions_that_do_not_fit() {
    let less = operator("<", number(1), number(2));
    let Expr::Call { function, .. } = less else {
        panic!("a call")
    };
    let call = |function, arguments, sql_type| Expr::Call {
        function,
        arguments,
        sql_type,
    };
    let exprs = [
        column(2, INT),
        column(0, TEXT),
        Expr::Constant {
            value: text("x"),
            sql_type: INT,
        },
        Expr::Parameter {
            index: 0,
            sql_type: INT,
        },
        call(FunctionId(u16::MAX), vec![], INT),
        call(function, vec![number(1)], BOOL),
        call(function, vec![column(1, TEXT), column(1, TEXT)], BOOL),
        call(function, vec![number(1), number(2)], TEXT),
        Expr::Not(Box::new(number(1))),
        Expr::And(vec![number(1), number(2)]),
        Expr::Coalesce {
            arguments: vec![],
            sql_type: INT,
        },
        Expr::Coalesce {
            arguments: vec![column(1, TEXT)],
            sql_type: INT,
        },
        Expr::Extreme {
            arguments: vec![],
            is_greatest: true,
            sql_type: INT,
        },
        Expr::InList {
            operand: Box::new(number(1)),
            list: vec![column(1, TEXT)],
            is_negated: false,
        },
        Expr::IsDistinct {
            left: Box::new(column(1, TEXT)),
            right: Box::new(number(1)),
            is_negated: false,
        },
        Expr::Case {
            branches: vec![(number(1), number(1))],
            otherwise: None,
            sql_type: INT,
        },
    ];
    for expr in exprs {
        assert_eq!(refused(&project(expr)), "XX000");
    }
}

#[test]
fn nodes_that_do_not_fit() {
    let fixture = fixture();
    let (table, index) = table(&fixture, &[INT], &[vec![int(1)]], &[0]);
    let scan = |columns: &[u16]| Node::SeqScan {
        table: table.clone(),
        columns: columns.iter().map(|c| ScanColumn::Table(*c)).collect(),
        filter: None,
    };
    let index_scan = |probe| Node::IndexScan {
        table: table.clone(),
        probe,
        columns: vec![],
        filter: None,
    };
    let boxed = || Box::new(one_row());
    let aggregate = AggregateCall {
        aggregate: AggregateId(u16::MAX),
        arguments: vec![],
        is_distinct: false,
        filter: None,
        sql_type: INT,
    };
    let nodes = [
        scan(&[1]),
        index_scan(probe(index, &[1], vec![number(1)])),
        index_scan(probe(index, &[], vec![])),
        index_scan(probe(index, &[0], vec![number(1), number(2)])),
        index_scan(probe(index, &[0], vec![column(0, INT)])),
        index_scan(probe(index, &[0], vec![bigint(1)])),
        filter(one_row(), number(1)),
        Node::Values {
            types: vec![INT],
            rows: vec![vec![]],
        },
        Node::Values {
            types: vec![INT],
            rows: vec![vec![bigint(1)]],
        },
        Node::Append { inputs: vec![] },
        Node::Append {
            inputs: vec![one_row(), values(&[INT], &[])],
        },
        limit(one_row(), Some(number(1)), None),
        limit(one_row(), Some(column(0, BIGINT)), None),
        Node::HashJoin {
            left: boxed(),
            right: boxed(),
            kind: JoinKind::Inner,
            left_keys: vec![column(0, INT)],
            right_keys: vec![column(1, TEXT)],
            residual: None,
        },
        Node::IndexJoin {
            left: boxed(),
            table: table.clone(),
            probe: probe(index, &[0], vec![column(0, INT)]),
            columns: vec![],
            kind: JoinKind::Full,
            residual: None,
        },
        Node::Aggregate {
            input: boxed(),
            group: vec![],
            aggregates: vec![aggregate],
        },
    ];
    for node in nodes {
        assert_eq!(
            run(&node, &fixture.cx).unwrap_err().state(),
            "XX000",
            "{node:?}"
        );
    }
}

/// As much stack as the execute function has.
fn with_stack(test: fn()) {
    thread::Builder::new()
        .stack_size(14 << 20)
        .spawn(test)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn deep_expressions_are_bounded() {
    with_stack(|| {
        let deep = |levels: usize| {
            let mut expr = operator("=", number(1), number(1));
            for _ in 0..levels {
                expr = Expr::Not(Box::new(expr));
            }
            filter(one_row(), expr)
        };
        assert_eq!(rows_of(&deep(1900)).len(), 1);
        assert_eq!(refused(&deep(3000)), "54001");
        let sum = (0..1900).fold(number(0), |sum, _| operator("+", sum, number(1)));
        assert_eq!(rows_of(&project(sum)), [[int(1900)]]);
        let wide = Expr::And(vec![operator("=", column(0, INT), number(1)); 100_000]);
        assert_eq!(rows_of(&filter(one_row(), wide)).len(), 1);
    });
}

#[test]
fn deep_plans_are_bounded() {
    with_stack(|| {
        let deep = |levels: usize| (0..levels).fold(one_row(), |node, _| limit(node, None, None));
        assert_eq!(rows_of(&deep(490)).len(), 1);
        assert_eq!(refused(&deep(600)), "54001");
    });
}

/// A plan with most of what there is.
fn rich(table: &TableRef, index: TreeId) -> Node {
    let t = || {
        Box::new(Node::SeqScan {
            table: table.clone(),
            columns: vec![
                ScanColumn::Table(0),
                ScanColumn::Table(1),
                ScanColumn::RowId,
            ],
            filter: Some(operator("<", column(0, INT), number(50))),
        })
    };
    let hash = Node::HashJoin {
        left: t(),
        right: t(),
        kind: JoinKind::Left,
        left_keys: vec![column(0, INT)],
        right_keys: vec![column(0, INT)],
        residual: Some(operator("<>", column(1, TEXT), column(4, TEXT))),
    };
    let join = Node::IndexJoin {
        left: Box::new(hash),
        table: table.clone(),
        probe: probe(index, &[0], vec![column(0, INT)]),
        columns: vec![ScanColumn::Table(1), ScanColumn::Version],
        kind: JoinKind::Inner,
        residual: None,
    };
    let case = Expr::Case {
        branches: vec![(operator("=", column(0, INT), number(3)), column(1, TEXT))],
        otherwise: Some(Box::new(constant(text("other"), TEXT))),
        sql_type: TEXT,
    };
    let list = Expr::InList {
        operand: Box::new(column(0, INT)),
        list: vec![number(1), number(2)],
        is_negated: true,
    };
    let project = Node::Project {
        input: Box::new(join),
        exprs: vec![
            case,
            list,
            operator("+", column(0, INT), number(1)),
            column(7, BIGINT),
        ],
    };
    let sort = Node::Sort {
        input: Box::new(Node::Distinct {
            input: Box::new(project),
        }),
        keys: vec![SortKey {
            expr: column(2, INT),
            is_descending: true,
            nulls_first: false,
        }],
        limit: Some(bigint(30)),
    };
    limit(sort, Some(bigint(20)), Some(bigint(2)))
}

#[test]
fn damaged_plans_do_not_panic() {
    with_stack(|| {
        let fixture = fixture();
        let data: Vec<Row> = (0..100).map(|i| vec![int(i), text("row")]).collect();
        let (table, index) = table(&fixture, &[INT, TEXT], &data, &[0]);
        let body = Body::Query(rich(&table, index));
        let plan = Plan {
            body,
            parameters: vec![],
            results: vec![],
            catalog_version: 0,
        };
        let bytes = plan::encode(&plan);
        let node = |bytes: &[u8]| match plan::decode(bytes).map(|p| p.body) {
            Ok(Body::Query(node)) => Some(node),
            _ => None,
        };
        let rows = run(&node(&bytes).unwrap(), &fixture.cx).unwrap();
        assert_eq!(rows.len(), 20);
        let mut random = 1_u64;
        let (mut decoded, mut ran) = (0, 0);
        for _ in 0..20_000 {
            let mut damaged = bytes.clone();
            for _ in 0..2 {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let at = (random >> 33) as usize % damaged.len();
                damaged[at] = (random >> 24) as u8 % 32;
            }
            if let Some(node) = node(&damaged) {
                decoded += 1;
                ran += usize::from(run(&node, &fixture.cx).is_ok());
            }
        }
        assert!(decoded > ran && ran > 0, "{decoded} {ran}");
    });
}
