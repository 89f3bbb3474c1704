{{ config(materialized='table', enabled=var('as_table', false), distributed_by=['id']) }}
select id from {{ source('shop', 'orders') }}
