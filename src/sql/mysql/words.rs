//! The words of MySQL and MariaDB: which are keywords, which of them mean the same, what they do to their neighbours.
//!
//! A digest text shows a keyword in capitals and every other name as it was typed. So a keyword has lost its case
//! there and keeps none here, also where it is the name of a column. One list serves all versions and both
//! flavours: what is settled for a word that only some servers know is settled in the text as typed as well.

use crate::sql::token::Role;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Reserved by every server: as a name it is always quoted. An operand follows.
const RESERVED: &str = "\
    accessible add alter analyze and asensitive before between binary both by call cascade case change \
    check collate column condition constraint continue create cross cursor databases declare delayed \
    delete describe deterministic distinct distinctrow div drop each else elseif enclosed escaped exit \
    explain fetch for force foreign from fulltext grant group having high_priority ignore index infile \
    inner inout insensitive interval into iterate join key keys kill leading leave like linear lines load \
    lock loop low_priority mod modifies natural no_write_to_binlog on optimize optionally or order out \
    outer outfile partition primary procedure purge range read read_write reads references regexp release \
    rename require resignal restrict return revoke rlike schemas sensitive separator set show signal \
    spatial specific sql sql_big_result sql_calc_found_rows sql_small_result sqlexception sqlstate \
    sqlwarning ssl starting straight_join terminated then to trailing trigger undo union unique unlock \
    update usage use using when where while write xor";

/// Reserved too, but the end of an operand, or a function.
const CLOSING: &str = "\
    asc bigint blob char character convert current_date current_time current_timestamp current_user \
    day_hour day_microsecond day_minute day_second dec decimal default desc double dual false float float4 \
    float8 hour_microsecond hour_minute hour_second if insert int int1 int2 int3 int4 int8 integer left \
    localtime localtimestamp long longblob longtext match maxvalue mediumblob mediumint mediumtext \
    middleint minute_microsecond minute_second numeric precision real repeat replace right \
    second_microsecond smallint tinyblob tinyint tinytext true unsigned utc_date utc_time utc_timestamp \
    varbinary varchar varcharacter varying year_month zerofill";

/// Not reserved, or not by every server.
const FREE: &str = "\
    absent account action active adddate admin after against aggregate algorithm allow_missing_files \
    always any array ascii assign_gtids_to_anonymous_transactions at atomic attribute authentication \
    authors auto auto_increment auto_refresh auto_refresh_source autoextend_size avg avg_row_length backup \
    begin bernoulli binlog bit bit_and bit_or bit_xor block body bool boolean btree buckets bulk byte \
    cache cascaded cast catalog_name chain challenge_response changed channel charset checkpoint checksum \
    cipher class_origin client clob clone close coalesce code collation column_add column_check \
    column_create column_delete column_format column_get column_name columns comment commit committed \
    compact completion component compressed compression concurrent connection consistent \
    constraint_catalog constraint_name constraint_schema contains context contributors count cpu cube \
    cume_dist curdate current current_pos current_role cursor_name curtime cycle data database datafile \
    date date_add date_format date_sub datetime day deallocate decode default_auth definer definition \
    delay_key_write delete_domain_id dense_rank des_key_file description diagnostics directory disable \
    discard disk do do_domain_ids duality dumpfile duplicate dynamic elsif empty enable encryption end \
    ends enforced engine engine_attribute engines enum error errors escape event events every examined \
    except exception exchange exclude execute expansion expire export extended extent_size external \
    external_format extract factor failed_login_attempts fast faults federated fields file file_block_size \
    file_format file_name file_pattern file_prefix files filter finish first first_value fixed flush \
    following follows format found frac_second full function general generate generated geomcollection \
    geometry geometrycollection get get_format get_master_public_key get_source_public_key global goto \
    grants group_concat group_replication grouping groups gtid_only gtids guided handler hard hash header \
    help histogram history host hosts hour id identified ignore_domain_ids ignore_server_ids ignored \
    immediate import inactive increment indexes initial initial_size initiate insert_method install \
    instance intersect invisible invoker io io_after_gtids io_before_gtids io_thread ipc isolation isopen \
    issuer json json_arrayagg json_objectagg json_table json_value key_block_size keyring lag language \
    last last_value lastval lateral lead leaves less level library linestring list local locked locks log \
    logfile logs manual masking master master_auto_position master_bind master_compression_algorithms \
    master_connect_retry master_delay master_demote_to_replica master_demote_to_slave master_gtid_pos \
    master_heartbeat_period master_host master_log_file master_log_pos master_password master_port \
    master_public_key_path master_retry_count master_server_id master_ssl master_ssl_ca master_ssl_capath \
    master_ssl_cert master_ssl_cipher master_ssl_crl master_ssl_crlpath master_ssl_key \
    master_ssl_verify_server_cert master_tls_ciphersuites master_tls_version master_use_gtid master_user \
    master_zstd_compression_level materialized max max_connections_per_hour max_queries_per_hour max_rows \
    max_size max_statement_time max_updates_per_hour max_user_connections median medium member memory \
    merge message_text microsecond mid migrate min min_rows minus minute minvalue mode modify monitor \
    month multilinestring multipoint multipolygon mutex mysql mysql_errno name names national nchar ndb \
    ndbcluster nested network_namespace never new next nextval no no_wait nocache nocopy nocycle nodegroup \
    nomaxvalue nominvalue none notfound now nowait nth_value ntile nulls number nvarchar of off offset oj \
    old old_password one one_shot online only open optimizer_costs option optional options ordinality \
    organization others over overlaps owner pack_keys package page page_checksum parallel parameters \
    parse_tree parse_vcol_expr parser partial partitioning partitions password password_lock_time path \
    percent_rank period persist persist_only persistent phase plugin plugin_dir plugins point policy \
    polygon port portion position precedes preceding prepare preserve prev previous privilege_checks_user \
    privileges process processlist profile profiles proxy qualify quarter query quick raise random rank \
    raw read_only rebuild record recover recursive redo_buffer_size redofile redundant ref_system_id \
    reference registration relational relay relay_log_file relay_log_pos relay_thread relaylog reload \
    remove reorganize repair repeatable replay replica replica_pos replicas replicate_do_db \
    replicate_do_table replicate_ignore_db replicate_ignore_table replicate_rewrite_db \
    replicate_wild_do_table replicate_wild_ignore_table replication require_row_format \
    require_table_primary_key_check reset resource respect restart restore resume retain returned_sqlstate \
    returning returns reuse reverse role rollback rollup rotate routine row row_count row_format \
    row_number rowcount rownum rows rowtype rtree s3 savepoint schedule schema schema_name second \
    secondary secondary_engine secondary_engine_attribute secondary_load secondary_unload security \
    sequence serial serializable server session session_user sets setval share shutdown signed simple skip \
    slave slave_pos slaves slow snapshot socket soft some soname sounds source source_auto_position \
    source_bind source_compression_algorithms source_connect_retry source_connection_auto_failover \
    source_delay source_heartbeat_period source_host source_log_file source_log_pos source_password \
    source_port source_public_key_path source_retry_count source_ssl source_ssl_ca source_ssl_capath \
    source_ssl_cert source_ssl_cipher source_ssl_crl source_ssl_crlpath source_ssl_key \
    source_ssl_verify_server_cert source_tls_ciphersuites source_tls_version source_user \
    source_zstd_compression_level sql_after_gtids sql_after_mts_gaps sql_before_gtids sql_buffer_result \
    sql_cache sql_no_cache sql_thread sql_tsi_day sql_tsi_frac_second sql_tsi_hour sql_tsi_minute \
    sql_tsi_month sql_tsi_quarter sql_tsi_second sql_tsi_week sql_tsi_year srid st_collect stacked stage \
    start starts statement stats_auto_recalc stats_persistent stats_sample_pages status std stddev \
    stddev_pop stddev_samp stop storage stored stream strict_load string subclass_origin subdate subject \
    subpartition subpartitions substr substring sum super suspend swaps switches sysdate system \
    system_time system_user table_checksum table_name tables tablesample tablespace temporary temptable \
    text than thread_priority threads ties time timestamp timestampadd timestampdiff tls transaction \
    transactional triggers trim truncate type types unbounded uncommitted undefined undo_buffer_size \
    undofile unicode uninstall unknown unregister until upgrade uri url use_frm user user_resources \
    validate validation value var_pop var_samp varchar2 variables variance vcpu vector \
    verify_key_constraints versioning via view virtual visible wait warnings week weight_string window \
    within without work wrapper x509 xa xid xml year zone";

/// Reserved, with a role of their own.
const SPECIAL: &[(&str, Role)] = &[
    ("all", Role::All),
    ("as", Role::As),
    ("exists", Role::Apart),
    ("in", Role::In),
    ("is", Role::Is),
    ("limit", Role::Limit),
    ("not", Role::Not),
    ("null", Role::Constant),
    ("select", Role::Query),
    ("table", Role::Query),
    ("values", Role::Values),
    ("with", Role::Query),
];

/// Spellings of one token: a digest text shows the same word for all of them. Which one is shown differs by
/// server, so here the plainest stands for all.
const SYNONYMS: &[(&str, &str)] = &[
    ("character", "char"),
    ("columns", "fields"),
    ("current_date", "curdate"),
    ("current_time", "curtime"),
    ("current_timestamp", "now"),
    ("dec", "decimal"),
    ("describe", "explain"),
    ("distinctrow", "distinct"),
    ("float4", "float"),
    ("float8", "double"),
    ("geomcollection", "geometrycollection"),
    ("int1", "tinyint"),
    ("int2", "smallint"),
    ("int3", "mediumint"),
    ("int4", "int"),
    ("int8", "bigint"),
    ("integer", "int"),
    ("localtime", "now"),
    ("localtimestamp", "now"),
    ("middleint", "mediumint"),
    ("ndb", "ndbcluster"),
    ("relay_thread", "io_thread"),
    ("rlike", "regexp"),
    ("schema", "database"),
    ("schemas", "databases"),
    ("session_user", "user"),
    ("slave", "replica"),
    ("slave_pos", "replica_pos"),
    ("slaves", "replicas"),
    ("some", "any"),
    ("sql_tsi_day", "day"),
    ("sql_tsi_hour", "hour"),
    ("sql_tsi_minute", "minute"),
    ("sql_tsi_month", "month"),
    ("sql_tsi_quarter", "quarter"),
    ("sql_tsi_second", "second"),
    ("sql_tsi_week", "week"),
    ("sql_tsi_year", "year"),
    ("system_user", "user"),
    ("varcharacter", "varchar"),
];

/// The same for functions: keywords only before an opening parenthesis, else names like any other.
const FUNCTIONS: &[(&str, &str)] = &[
    ("mid", "substring"),
    ("std", "stddev_pop"),
    ("stddev", "stddev_pop"),
    ("substr", "substring"),
    ("variance", "var_pop"),
];

/// Character sets that may introduce a literal, as in `_utf8mb4'…'`.
const CHARSETS: &str = "\
    armscii8 ascii big5 binary cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 cp932 dec8 eucjpms euckr \
    gb18030 gb2312 gbk geostd8 greek hebrew hp8 keybcs2 koi8r koi8u latin1 latin2 latin5 latin7 macce \
    macroman sjis swe7 tis620 ucs2 ujis utf16 utf16le utf32 utf8 utf8mb3 utf8mb4";

/// The longest word of the lists above.
const LONGEST: usize = 40;

/// What is known of a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// The one spelling of its token.
    pub word: &'static str,
    /// The one spelling where a parenthesis follows.
    pub function: &'static str,
    pub role: Role,
    /// Never a name unless quoted.
    pub reserved: bool,
}

static WORDS: LazyLock<HashMap<&str, Known>> = LazyLock::new(|| {
    let list = |words: &'static str, role, reserved| {
        words.split_ascii_whitespace().map(move |word| (word, role, reserved))
    };
    let special = SPECIAL.iter().map(|(word, role)| (*word, *role, true));
    let value = [("value", Role::Values, false), ("over", Role::Apart, false)];
    let all = list(RESERVED, Role::Opens, true)
        .chain(list(CLOSING, Role::Plain, true))
        .chain(list(FREE, Role::Plain, false))
        .chain(special)
        .chain(value);
    all.map(|(word, role, reserved)| {
        let plain = same(SYNONYMS, word);
        (word, Known { word: plain, function: same(FUNCTIONS, plain), role, reserved })
    })
    .collect()
});

fn same(synonyms: &[(&'static str, &'static str)], word: &'static str) -> &'static str {
    synonyms.iter().find(|(from, _)| *from == word).map_or(word, |(_, to)| to)
}

/// A keyword in any case.
pub(super) fn known(word: &str) -> Option<Known> {
    let mut room = [0u8; LONGEST];
    let lower = room.get_mut(..word.len())?;
    lower.copy_from_slice(word.as_bytes());
    lower.make_ascii_lowercase();
    WORDS.get(std::str::from_utf8(lower).ok()?).copied()
}

/// `_utf8mb4` and its like, which stand before a literal and belong to it.
pub(super) fn introduces(word: &str) -> bool {
    let Some(name) = word.strip_prefix('_') else { return false };
    CHARSETS.split_ascii_whitespace().any(|charset| charset.eq_ignore_ascii_case(name))
}
